import ContainerCore
import Glibc
import LinuxShims
import Testing

extension EngineTests {
    /// What one container does to its host is its own affair: a neighbour is asked for answers all the while.
    @Suite struct Exhaustion {
        /// Times of `rounds` answers of a container that says back what it is told, sorted.
        private func answers(_ neighbour: StreamEnd, rounds: Int) async throws -> [Duration] {
            var times: [Duration] = []
            for _ in 0..<rounds {
                let began = ContinuousClock.now
                _ = send(neighbour.number, "x\n", 2, Int32(MSG_NOSIGNAL))
                guard sk_wait_readable(neighbour.number, -1, 5_000) == 1 else {
                    Issue.record("the neighbour gave no answer for five seconds")
                    return [.seconds(5)]
                }
                var bytes = [UInt8](repeating: 0, count: 64)
                let count = read(neighbour.number, &bytes, bytes.count)
                #expect(count == 3)
                times.append(ContinuousClock.now - began)
                try await Task.sleep(for: .milliseconds(1))
            }
            return times.sorted()
        }

        private func show(_ what: String, _ times: [Duration]) {
            print("neighbour's answer \(what): p50 \(times[times.count / 2]), p99 \(times[times.count * 99 / 100])")
        }

        @Test func `processes, memory, descriptors, disk and log are exhausted by one container, and its neighbour goes on`()
            async throws
        {
            try await withEngine(readyCradles: 2) { bed in
                var quiet = bed.script("exec cat", id: "neighbour")
                quiet.openInput = true
                let status = try await bed.engine.prepare(quiet)
                let neighbour = try bed.engine.attach("neighbour")
                _ = try await bed.engine.start("neighbour")
                let rounds = EngineBed.isEmulated ? 20 : 150
                show("before", try await answers(neighbour, rounds: rounds))
                let attacks = [
                    ("fork bomb", "f() { f | f & }; f 2>/dev/null; while :; do f; done 2>/dev/null"),
                    ("memory hog", "while :; do dd if=/dev/zero of=/dev/null bs=200M count=1 2>/dev/null; done"),
                    ("shared memory hog", "while :; do dd if=/dev/zero of=/dev/shm/x bs=1M 2>/dev/null; rm /dev/shm/x; done"),
                    (
                        "descriptor hog",
                        "while :; do i=10; while [ $i -lt 200 ]; do eval \"exec $i</dev/null\" || break; i=$((i+1)); done; done 2>/dev/null"
                    ),
                    ("disk writer", "while :; do dd if=/dev/zero of=/big bs=1M count=64 2>/dev/null; rm /big; done"),
                    (
                        "log flood",
                        "while :; do echo 0123456789012345678901234567890123456789012345678901234567890123456789; done"
                    ),
                ]
                for (name, script) in attacks {
                    var attacker = bed.script(script, id: "attacker")
                    attacker.limits.pids = 30
                    attacker.limits.cpuMillis = 300
                    attacker.limits.memoryBytes = 32 << 20
                    attacker.limits.memoryAndSwapBytes = 32 << 20
                    attacker.limits.writeBytesPerSecond = 20 << 20
                    attacker.resourceLimits = ["nofile": ResourceLimit(soft: 64, hard: 64)]
                    attacker.log.maximumBytes = 1 << 20
                    attacker.log.maximumFiles = 2
                    _ = try await bed.engine.prepare(attacker)
                    _ = try await bed.engine.start("attacker")
                    show("beside a \(name)", try await answers(neighbour, rounds: rounds))
                    let used = try? await bed.engine.statistics("attacker")
                    #expect(
                        used.map { $0.processes <= 30 && $0.memoryBytes <= 33 << 20 } ?? true,
                        "\(name) \(String(describing: used))")
                    let log = [bed.engine.logPath("attacker"), bed.engine.logPath("attacker") + ".1"].map { text($0).utf8.count }
                    #expect(log.reduce(0, +) <= 2 << 20 + 1 << 16, "\(name) \(log)")
                    try await bed.engine.remove("attacker")
                }
                show("after", try await answers(neighbour, rounds: rounds))
                #expect(try await bed.engine.status("neighbour").pid == status.pid)
            }
        }

        @Test func `waiting for the processor is told as pressure`() async throws {
            try await withEngine { bed in
                let busy = (0..<6).map { _ in "while :; do :; done &" }.joined(separator: " ")
                _ = try await bed.engine.prepare(bed.script("\(busy) wait"))
                _ = try await bed.engine.start("c1")
                var waited: Int64 = 0
                for _ in 0..<100 where waited == 0 {
                    try await Task.sleep(for: .milliseconds(50))
                    guard let pressure = try await bed.engine.pressure("c1") else { return }
                    waited = pressure.cpu?.someTotal ?? 0
                }
                #expect(waited > 0)
            }
        }

        @Test func `writing past the cache is held to its rate`() async throws {
            try await withEngine { bed in
                // A file system without block device of its own has no rate to hold.
                guard
                    text("/proc/self/mountinfo").split(separator: "\n").contains(where: { line in
                        let words = line.split(separator: " ")
                        return words.count > 4 && words[4] == "/" && !words[2].hasPrefix("0:")
                    })
                else { return }
                var writer = bed.script("dd if=/dev/zero of=/big bs=1M count=6 oflag=direct 2>/dev/null || echo unsupported")
                writer.limits.writeBytesPerSecond = 4 << 20
                let began = ContinuousClock.now
                let (_, lines) = try await bed.finish(writer)
                let took = ContinuousClock.now - began
                if lines.map(\.text) == ["unsupported"] { return }
                print("6 MiB at 4 MiB/s took \(took)")
                #expect(took > .milliseconds(900))
            }
        }
    }
}
