import ContainerCore
import Glibc
import Testing

extension EngineTests {
    @Suite struct Leaks {
        private static func count(_ path: String) -> Int {
            guard let directory = opendir(path) else { return 0 }
            defer { closedir(directory) }
            var count = 0
            while readdir(directory) != nil { count += 1 }
            return count
        }

        private func traces(_ bed: EngineBed) -> [String: Int] {
            [
                "descriptors": Self.count("/proc/self/fd"), "mounts": text("/proc/self/mounts").split(separator: "\n").count,
                "sockets": Self.count("\(bed.root)/run"), "containers": Self.count("\(bed.root)/state/containers"),
                "trash": Self.count("\(bed.root)/state/trash"),
                "cgroups": Self.count("/sys/fs/cgroup/pids/sidekick-\(bed.configuration.name)"),
            ]
        }

        /// Everything below a directory, itself included.
        private static func files(_ path: String) -> Int {
            guard let directory = opendir(path) else { return 1 }
            defer { closedir(directory) }
            var count = 1
            while let entry = readdir(directory) {
                let name = withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
                if name == "." || name == ".." { continue }
                let isDirectory = entry.pointee.d_type == UInt8(DT_DIR)
                count += isDirectory ? files("\(path)/\(name)") : 1
            }
            return count
        }

        private static func names(_ path: String) -> [String] {
            guard let directory = opendir(path) else { return [] }
            defer { closedir(directory) }
            var names: [String] = []
            while let entry = readdir(directory) {
                names.append(
                    withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) })
            }
            return names
        }

        /// What containers take of the host: all of it of this engine only, since other things run beside.
        private func holdings(_ bed: EngineBed) -> [String: Int] {
            let name = bed.configuration.name
            let hierarchies = Self.names("/sys/fs/cgroup") + ["."]
            let children = Self.names("/proc").compactMap { Int32($0) }.filter { pid in
                let stat = text("/proc/\(pid)/stat")
                return stat.split(separator: ")").last?.split(separator: " ").dropFirst().first == "\(getpid())"
            }
            return [
                "descriptors": Self.count("/proc/self/fd"), "mounts": text("/proc/self/mounts").split(separator: "\n").count,
                "sockets": Self.count("\(bed.root)/run"), "files": Self.files("\(bed.root)/state"),
                "cgroups": hierarchies.map { Self.count("/sys/fs/cgroup/\($0)/sidekick-\(name)") }.reduce(0, +),
                "guards": children.count, "veths": Self.names("/sys/class/net").filter { $0.hasPrefix("sv\(name)-") }.count,
            ]
        }

        @Test func `a thousand containers on a network come and go, eight at a time, and leave nothing`() async throws {
            try await withEngine(subnet: "10.213.11.0/24", readyCradles: 4) { bed in
                func cycle(_ number: Int) async throws {
                    let id = "c\(number)"
                    _ = try await bed.engine.prepare(bed.script("sleep 1000", id: id))
                    _ = try await bed.engine.start(id)
                    try await bed.engine.remove(id)
                }
                for number in 0..<8 { try await cycle(number) }
                try await Task.sleep(for: .milliseconds(500))
                let before = holdings(bed)
                let count = EngineBed.isEmulated ? 80 : 1000
                let began = ContinuousClock.now
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for lane in 0..<8 {
                        group.addTask { for number in stride(from: lane, to: count, by: 8) { try await cycle(100 + number) } }
                    }
                    try await group.waitForAll()
                }
                let took = ContinuousClock.now - began
                print("\(count) containers made, started and removed in \(took)")
                var after = holdings(bed)
                // Removed files are deleted behind, and guards are made ahead, on threads of their own.
                for _ in 0..<100 where after != before {
                    try await Task.sleep(for: .milliseconds(100))
                    after = holdings(bed)
                }
                #expect(after == before)
            }
        }

        @Test func `two hundred containers come and go and leave nothing`() async throws {
            try await withEngine(readyCradles: 2) { bed in
                // The first ones fill what is kept ready.
                for number in 0..<5 { _ = try await bed.finish(bed.script("exit 0", id: "warm\(number)")) }
                try await Task.sleep(for: .milliseconds(300))
                let before = traces(bed)
                for number in 0..<(EngineBed.isEmulated ? 40 : 200) {
                    let (exit, lines) = try await bed.finish(bed.script("echo \(number); exit \(number % 100)", id: "c\(number)"))
                    #expect(exit.code == Int32(number % 100))
                    #expect(lines.map(\.text) == ["\(number)"])
                }
                try await Task.sleep(for: .milliseconds(300))
                #expect(traces(bed) == before)
            }
        }
    }
}
