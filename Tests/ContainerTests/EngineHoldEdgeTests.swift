import ContainerCore
import Glibc
import LinuxShims
import Synchronization
import Testing

extension EngineTests {
    /// The instants around the early exec of a prepared program, made long by slowing its guard there, or ending it.
    @Suite struct HoldingEdges {
        /// An engine without ready guards whose first guard is slowed or killed at a system call, once its container's directory is made.
        private func withTracedGuard(
            _ injection: String, afterPlan: @escaping @Sendable (_ connection: Int32) throws -> Void = { _ in },
            _ body: (EngineBed, ContainerEngine) async throws -> Void
        ) async throws {
            try await withEngine(readyCradles: 0) { bed in
                await bed.engine.shutdown()
                let runDirectory = bed.configuration.runDirectory, tracer = Mutex<GuardTracer?>(nil)
                defer { tracer.withLock { $0 }?.end() }
                let engine = try bed.replaceEngine(configuration: bed.configuration) { step in
                    do {
                        guard ["directory made", "plan sent"].contains(step.description) else { return }
                        let connection = try GuardTracer.connect(runDirectory: runDirectory)
                        defer { close(connection) }
                        if step.description == "plan sent" { return try afterPlan(connection) }
                        let traced = try GuardTracer(guard: sk_message_peer(connection), injection: injection)
                        tracer.withLock { $0 = traced }
                    } catch { Issue.record(error) }
                }
                _ = try await engine.recover()
                try await body(bed, engine)
            }
        }

        @Test(.enabled(if: GuardTracer.isInstalled, "strace is not installed"))
        func `a start asked of the guard before the container is prepared is refused and changes nothing`() async throws {
            let told = Mutex<Int32?>(nil)
            let ask: @Sendable (Int32) throws -> Void = { connection in
                var message = sk_message(), descriptor: Int32 = -1
                message.kind = UInt32(SK_ASK_START)
                message.version = SK_PLAN_VERSION
                #expect(sk_message_send(connection, &message, nil, 0) == 0)
                #expect(sk_message_receive(connection, &message, &descriptor, 10_000) == 1)
                told.withLock { $0 = message.kind == UInt32(SK_TELL_FAILED) ? message.code : 0 }
            }
            // Its first call seizes the program, which waits to be told how to go on.
            try await withTracedGuard("ptrace:delay_enter=1000000:when=1", afterPlan: ask) { bed, engine in
                let prepared = try await engine.prepare(bed.script("echo ran"))
                #expect(told.withLock { $0 } == EBUSY)
                #expect(prepared.state == .prepared)
                #expect(isStopped(try #require(prepared.pid)))
                let exits = engine.exits()
                _ = try await engine.start("c1")
                #expect(await EngineBed.exit(of: "c1", in: exits)?.code == 0)
                try await engine.remove("c1")
            }
        }

        @Test(.enabled(if: GuardTracer.isInstalled, "strace is not installed"), .timeLimit(.minutes(1)))
        func `a program that was missing when it was prepared and is there at the start runs, before the guard let it go too`()
            async throws
        {
            // Its second call asks the program to stand still, so that it can be let go.
            try await withTracedGuard("ptrace:delay_enter=1000000:when=2") { bed, engine in
                let place = "\(bed.root)/programs"
                try #require(mkdir(place, 0o755) == 0)
                var configuration = bed.script("exit 3")
                configuration.arguments[0] = "/tmp/sh"
                configuration.mounts = [ContainerMount(kind: .bind, source: place, target: "/tmp", readOnly: true)]
                _ = try await engine.prepare(configuration)
                try #require(symlink("/bin/busybox", "\(place)/sh") == 0)
                let exits = engine.exits()
                _ = try await engine.start("c1")
                #expect(await EngineBed.exit(of: "c1", in: exits)?.code == 3)
                try await engine.remove("c1")
            }
        }

        /// The guard's system calls from the settled program to the stopped one.
        @Test(
            .enabled(if: GuardTracer.isInstalled, "strace is not installed"),
            arguments: [
                "signalfd4:signal=KILL:when=1", "ptrace:signal=KILL:when=1", "write:signal=KILL:when=2",
                "wait4:signal=KILL:when=1",
                "pidfd_send_signal:signal=KILL:when=1", "ptrace:signal=KILL:when=2", "sendmsg:signal=KILL:when=2",
            ])
        func `a guard killed while it leads the program to its exec takes the program along, which has run nothing`(
            injection: String
        ) async throws {
            try await withTracedGuard(injection) { bed, engine in
                let place = "\(bed.root)/place"
                try #require(mkdir(place, 0o777) == 0)
                chmod(place, 0o777)
                var configuration = bed.script("echo > /tmp/ran; sleep 1000")
                configuration.environment.append("MARK=\(bed.configuration.name)")
                configuration.mounts = [ContainerMount(kind: .bind, source: place, target: "/tmp", readOnly: false)]
                await #expect(throws: ContainerError.self) { try await engine.prepare(configuration) }
                #expect(EngineTests.entries(place) == [])
                let left = EngineTests.entries("/proc").filter {
                    text("/proc/\($0)/environ").contains("MARK=\(bed.configuration.name)")
                }
                #expect(left == [])
            }
        }
    }
}
