import ContainerCore
import Glibc
import Testing

extension EngineTests {
    @Suite struct Recovery {
        @Test func `a second engine adopts what the first left, with the same processes, and can do all with it`() async throws {
            try await withEngine { bed in
                _ = try await bed.engine.prepare(
                    bed.script("trap 'exit 4' TERM; echo up; while true; do sleep 0.01; done", id: "runs"))
                let running = try await bed.engine.start("runs")
                let held = try await bed.engine.prepare(bed.script("echo started late; exit 9", id: "held"))
                _ = try await bed.engine.prepare(bed.script("sleep 1000", id: "cold"))
                _ = try await bed.engine.start("cold")
                try await bed.engine.freeze("cold")
                let ended = bed.engine.exits()
                _ = try await bed.engine.prepare(bed.script("exit 6", id: "ended"))
                _ = try await bed.engine.start("ended")
                _ = await EngineBed.exit(of: "ended", in: ended)

                let second = try await bed.replaceEngine()
                let adopted = try await second.recover()
                #expect(adopted.map(\.id) == ["cold", "ended", "held", "runs"])
                #expect(adopted.map(\.state) == [.frozen, .exited, .prepared, .running])
                #expect(adopted[1].exit?.code == 6)
                #expect(adopted[2].pid == held.pid)
                #expect(adopted[3].pid == running.pid)
                #expect(adopted[3].guardPID == running.guardPID)
                let exits = second.exits()
                try await second.signal("runs", SIGTERM)
                #expect(await EngineBed.exit(of: "runs", in: exits)?.code == 4)
                let later = second.exits()
                _ = try await second.start("held")
                #expect(await EngineBed.exit(of: "held", in: later)?.code == 9)
                #expect(bed.log("held").map(\.text) == ["started late"])
                try await second.thaw("cold")
                #expect(try await second.run("cold", arguments: ["echo", "warm"], timeoutMilliseconds: 5_000).exit.code == 0)
                for id in adopted.map(\.id) { try await second.remove(id) }
            }
        }

        @Test func `a container that ends while no engine looks is known by its record`() async throws {
            try await withEngine { bed in
                var configuration = bed.script("while test ! -e /data/go; do sleep 0.01; done; exit 8")
                let shared = "\(bed.root)/shared"
                mkdir(shared, 0o755)
                configuration.mounts = [ContainerMount(kind: .bind, source: shared, target: "/data", readOnly: true)]
                _ = try await bed.engine.prepare(configuration)
                _ = try await bed.engine.start("c1")
                let second = try await bed.replaceEngine()
                mkdir("\(shared)/go", 0o755)
                while !text("\(bed.root)/state/containers/c1/exit").utf8.contains(where: { $0 != 0 }) {
                    try await Task.sleep(for: .milliseconds(5))
                }
                let found = try await second.recover()
                #expect(found.map(\.state) == [.exited])
                #expect(found.first?.exit == ContainerExit(code: 8, signal: nil, outOfMemory: false, failure: nil))
            }
        }

        @Test func `a guard killed with -9 takes its container down and is noticed`() async throws {
            try await withEngine { bed in
                let exits = bed.engine.exits()
                _ = try await bed.engine.prepare(bed.script("trap '' TERM; sleep 1000 & sleep 1000"))
                let status = try await bed.engine.start("c1")
                let pid = try #require(status.pid), guardPID = try #require(status.guardPID)
                kill(guardPID, SIGKILL)
                let exit = await EngineBed.exit(of: "c1", in: exits)
                #expect(exit?.code == 137)
                #expect(exit?.signal == SIGKILL)
                #expect(!isAlive(pid))
                #expect(try await bed.engine.status("c1").state == .exited)
                try await bed.engine.remove("c1")
            }
        }

        @Test func `a guard that hangs is ended by removal`() async throws {
            try await withEngine { bed in
                _ = try await bed.engine.prepare(bed.script("sleep 1000"))
                let status = try await bed.engine.start("c1")
                kill(try #require(status.guardPID), SIGSTOP)
                try await bed.engine.remove("c1")
                #expect(!isAlive(try #require(status.pid)))
                #expect(await bed.engine.list().isEmpty)
            }
        }

        @Test func `a guard killed while no engine looks leaves an exited container`() async throws {
            try await withEngine { bed in
                _ = try await bed.engine.prepare(bed.script("sleep 1000"))
                let status = try await bed.engine.start("c1")
                let second = try await bed.replaceEngine()
                kill(try #require(status.guardPID), SIGKILL)
                let found = try await second.recover()
                #expect(found.map(\.state) == [.exited])
                #expect(found.first?.exit?.code == 137)
                #expect(!isAlive(try #require(status.pid)))
            }
        }
    }
}
