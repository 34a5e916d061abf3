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
