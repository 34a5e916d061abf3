/// Something mounted into each replica; exactly one of `name`, `host` and `tmpfs` is set.
package struct VolumeSpec: Hashable, Sendable, Codable {
    /// A directory of the service's own on each host, made when it is first needed. The service's replicas on one host share it, and it
    /// outlives replicas, revisions and the service itself until an operator removes it.
    package var name: String?
    /// A file or directory of the host, which must be there: absolute, without symbolic links on the way.
    package var host: String?
    /// Memory of the replica's own, gone with it: how much it may hold. It counts as the replica's memory.
    package var tmpfs: ByteCount?
    /// Where it is mounted: absolute, inside the container.
    package var path: String = ""
    package var readOnly: Bool = false

    package init() {}
}

/// Text form: what is mounted where, such as `data → /var/lib/db`.
extension VolumeSpec: CustomStringConvertible {
    package var description: String {
        let source = name ?? host ?? tmpfs.map { "tmpfs \($0)" } ?? "nothing"
        return "\(source) → \(path)\(readOnly ? " (read-only)" : "")"
    }
}

extension VolumeSpec {
    /// The most volumes of a service.
    package static let limit = 32

    /// 1 to 64 of letters, digits, `_`, `.` and `-`, first a letter or digit.
    package static func isName(_ name: String) -> Bool {
        let isPlain = { (byte: UInt8) in
            (0x30...0x39).contains(byte) || (0x41...0x5a).contains(byte) || (0x61...0x7a).contains(byte)
        }
        return (1...64).contains(name.utf8.count) && name.utf8.first.map(isPlain) == true
            && name.utf8.allSatisfy { isPlain($0) || [0x5f, 0x2e, 0x2d].contains($0) }
    }

    /// Places inside that are the container core's own.
    private static let taken = ["/proc", "/sys", "/dev"]

    /// - Parameter place: such as `volumes[0]`.
    func issues(at place: String) -> [SpecIssue] {
        let kinds = [name != nil, host != nil, tmpfs != nil].filter { $0 }.count
        var issues: [SpecIssue] = []
        if kinds != 1 {
            issues.append(SpecIssue(place, "a volume has exactly one of name, host and tmpfs, not \(kinds)"))
        }
        if let name, !Self.isName(name) {
            issues.append(
                SpecIssue(
                    "\(place).name",
                    "‘\(name)’ is not a volume's name: 1 to 64 letters, digits, _, . and -, first a letter or digit"
                        + (name.hasPrefix("/") ? "; a path of the host is given as host:" : "")))
        }
        if let host, host == "/" || !SpecText.isFilePath(host) {
            issues.append(
                SpecIssue("\(place).host", "‘\(host)’ is not an absolute path below /, without . and .. and a / at its end"))
        }
        if let tmpfs {
            issues += SpecRange.check("\(place).tmpfs", tmpfs, ByteCount(4096) ... .mebibytes(1 << 20))
            if readOnly { issues.append(SpecIssue("\(place).readOnly", "a tmpfs that is read-only could never hold anything")) }
        }
        if path.isEmpty {
            issues.append(SpecIssue("\(place).path", "is missing: where the volume is mounted, such as /var/lib/db"))
        } else if path == "/" || !SpecText.isFilePath(path) {
            issues.append(
                SpecIssue("\(place).path", "‘\(path)’ is not an absolute path below /, without . and .. and a / at its end"))
        } else if path != "/dev/shm", Self.taken.contains(where: { path == $0 || path.hasPrefix($0 + "/") }) {
            issues.append(SpecIssue("\(place).path", "‘\(path)’ is Sidekick's own to fill; /dev/shm may be mounted on"))
        }
        return issues
    }
}

extension ServiceSpec {
    func volumeIssues() -> [SpecIssue] {
        let volumes = volumes ?? []
        var issues = volumes.enumerated().flatMap { $1.issues(at: "volumes[\($0)]") }
        if volumes.count > VolumeSpec.limit {
            issues.append(SpecIssue("volumes", "there are \(volumes.count), more than \(VolumeSpec.limit)"))
        }
        var seen: Set<String> = []
        for (index, volume) in volumes.enumerated() where !volume.path.isEmpty && !seen.insert(volume.path).inserted {
            issues.append(SpecIssue("volumes[\(index)].path", "\(volume.path) has a volume already, above"))
        }
        return issues
    }
}
