import ContainerCore
import Glibc
import Testing

/// Whether a process whose stop is on its way comes to it.
func isStopped(_ pid: Int32) -> Bool {
    for _ in 0..<10_000 {
        if text("/proc/\(pid)/status").contains("State:\tT (stopped)") { return true }
        usleep(1_000)
    }
    return false
}

extension EngineTests {
    /// A prepared container has its exec behind it and its first instruction before it.
    @Suite struct Holding {
        @Test func `a prepared process is its program already, has run none of it, and dies with its guard`() async throws {
            try await withEngine { bed in
                let exits = bed.engine.exits()
                let prepared = try await bed.engine.prepare(bed.script("echo ran; sleep 1000"))
                let pid = try #require(prepared.pid)
                #expect(Self.program(of: pid) == "/bin/busybox")
                #expect(isStopped(pid))
                #expect(text("/proc/\(pid)/status").contains("TracerPid:\t0\n"))
                #expect(bed.log("c1").isEmpty)
                kill(try #require(prepared.guardPID), SIGKILL)
                #expect(await EngineBed.exit(of: "c1", in: exits)?.signal == SIGKILL)
                #expect(!isAlive(pid))
                #expect(bed.log("c1").isEmpty)
                try await bed.engine.remove("c1")
            }
        }

        @Test func `a signal to a prepared container ends it or is nothing, and it runs none of its program`() async throws {
            try await withEngine { bed in
                let exits = bed.engine.exits()
                let prepared = try await bed.engine.prepare(bed.script("trap 'exit 3' TERM; echo ran; sleep 1000"))
                try await bed.engine.signal("c1", SIGCONT)
                try await bed.engine.signal("c1", SIGWINCH)
                #expect(try await bed.engine.status("c1").state == .prepared)
                #expect(isAlive(try #require(prepared.pid)))
                try await bed.engine.signal("c1", SIGTERM)
                #expect(await EngineBed.exit(of: "c1", in: exits)?.signal == SIGTERM)
                #expect(bed.log("c1").isEmpty)
                try await bed.engine.remove("c1")
            }
        }

        private static func program(of pid: Int32) -> String {
            var path = [UInt8](repeating: 0, count: 4096)
            let length = readlink("/proc/\(pid)/exe", &path, path.count)
            return String(decoding: path.prefix(max(length, 0)), as: UTF8.self)
        }
    }
}
