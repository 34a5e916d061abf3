import Glibc

/// `MAJOR:MINOR` of the host's disks: what block I/O limits are set on, since limits count per whole disk. Loop and memory disks, whose
/// I/O is another disk's or none, are left out.
func blockDevices() -> [String] {
    CgroupDirectory(path: "/sys/block").names.filter { name in
        !["loop", "ram", "zram", "sr", "fd"].contains { name.hasPrefix($0) }
    }
    .compactMap { readSmallFile("/sys/block/\($0)/dev").map { String($0.trimmed) } }
}

extension CgroupDirectory {
    /// Names of everything in it but hidden files, sorted.
    fileprivate var names: [String] {
        guard let stream = opendir(path) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
            if !name.hasPrefix(".") { names.append(name) }
        }
        return names.sorted()
    }
}
