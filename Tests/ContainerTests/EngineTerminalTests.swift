import ContainerCore
import Glibc
import LinuxShims
import Synchronization
import Testing

/// What one attached client was told, read on a thread of its own.
private final class Client: Sendable {
    let end: StreamEnd
    private let told = Mutex<(out: [UInt8], err: [UInt8], ended: Bool)>(([], [], false))

    init(_ end: StreamEnd) {
        self.end = end
        onThread { [self] in
            var bytes = [UInt8](repeating: 0, count: 16_384)
            while true {
                let count = read(end.number, &bytes, bytes.count)
                if count <= 0 { break }
                told.withLock { if bytes[0] == 1 { $0.out += bytes[1..<count] } else { $0.err += bytes[1..<count] } }
            }
            told.withLock { $0.ended = true }
        }
    }

    var out: String { told.withLock { String(decoding: $0.out, as: UTF8.self) } }
    var err: String { told.withLock { String(decoding: $0.err, as: UTF8.self) } }
    var bytes: [UInt8] { told.withLock { $0.out } }
    var hasEnded: Bool { told.withLock { $0.ended } }

    func type(_ text: String) { type(Array(text.utf8)) }

    func type(_ bytes: [UInt8]) {
        for start in stride(from: 0, to: bytes.count, by: 4096) {
            let piece = Array(bytes[start..<min(start + 4096, bytes.count)])
            _ = send(end.number, piece, piece.count, Int32(MSG_NOSIGNAL))
        }
    }

    func endInput() { shutdown(end.number, Int32(SHUT_WR)) }
}

private func wait(_ what: String, until isTrue: () -> Bool) async throws {
    for _ in 0..<2_000 {
        if isTrue() { return }
        try await Task.sleep(for: .milliseconds(5))
    }
    Issue.record("\(what) did not come within ten seconds")
}

extension EngineTests {
    @Suite struct Terminals {
        @Test(arguments: [true, false])
        func `a terminal is the container's own, has the size it is told, and all who are attached see and type`(
            userNamespace: Bool
        ) async throws {
            try await withEngine { bed in
                var configuration = bed.script(
                    "tty; stty size; read line; echo got $line; read line; stty size; tty -s && exit 9")
                configuration.terminal = true
                configuration.userNamespace = userNamespace
                configuration.user = ContainerUser(uid: 7, gid: 8)
                let exits = bed.engine.exits()
                _ = try await bed.engine.prepare(configuration)
                let first = Client(try bed.engine.attach("c1"))
                try bed.engine.resize("c1", rows: 33, columns: 77)
                _ = try await bed.engine.start("c1")
                try await wait("its first words") { first.out.contains("33 77") }
                #expect(first.out.hasPrefix("/dev/pts/0\r\n33 77\r\n"), "\(first.out)")
                let second = Client(try bed.engine.attach("c1"))
                first.type("word\r")
                try await wait("an answer to both") { first.out.contains("got word") && second.out.contains("got word") }
                #expect(!second.out.contains("pts"), "whoever comes later is told what comes later")
                try bed.engine.resize("c1", rows: 10, columns: 20)
                second.type("\r")
                #expect(await EngineBed.exit(of: "c1", in: exits)?.code == 9)
                try await wait("the end of both") { first.hasEnded && second.hasEnded }
                #expect(first.out.contains("10 20") && second.out.contains("10 20"))
                #expect(bed.log("c1").contains { $0.stream == "stdout" && $0.text.contains("got word") })
            }
        }

        @Test func `interrupt, hang-up and job control reach the foreground of a terminal`() async throws {
            try await withEngine { bed in
                var configuration = bed.script("trap 'echo interrupted' INT; echo up; sleep 100; echo after; exit 3")
                configuration.terminal = true
                let exits = bed.engine.exits()
                _ = try await bed.engine.prepare(configuration)
                let client = Client(try bed.engine.attach("c1"))
                _ = try await bed.engine.start("c1")
                try await wait("its first words") { client.out.contains("up") }
                client.type([3])
                #expect(await EngineBed.exit(of: "c1", in: exits)?.code == 3)
                try await wait("its last words") { client.out.contains("interrupted") && client.out.contains("after") }
            }
        }

        @Test func `input is piped through whole in both directions at once, and its end is the program's`() async throws {
            try await withEngine { bed in
                var configuration = bed.script("cat; echo done >&2")
                configuration.openInput = true
                configuration.log.maximumBytes = 1 << 20
                let exits = bed.engine.exits()
                _ = try await bed.engine.prepare(configuration)
                let client = Client(try bed.engine.attach("c1"))
                _ = try await bed.engine.start("c1")
                let count = EngineBed.isEmulated ? 300_000 : 3_000_000
                let sent = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 ^ $0 >> 8) }
                onThread {
                    client.type(sent)
                    client.endInput()
                }
                #expect(await EngineBed.exit(of: "c1", in: exits)?.code == 0)
                try await wait("the end") { client.hasEnded }
                #expect(client.bytes == sent && client.err == "done\n", "\(client.bytes.count) \(client.err)")
            }
        }

        @Test func `a client that takes nothing is let go, and the others go on`() async throws {
            try await withEngine { bed in
                var configuration = bed.script(
                    "i=0; while [ $i -lt 3000 ]; do echo 0123456789012345678901234567890123456789 $i; i=$((i+1)); done")
                configuration.terminal = true
                let exits = bed.engine.exits()
                _ = try await bed.engine.prepare(configuration)
                let dead = try bed.engine.attach("c1")
                var small: Int32 = 1
                setsockopt(dead.number, SOL_SOCKET, SO_RCVBUF, &small, socklen_t(MemoryLayout<Int32>.size))
                let client = Client(try bed.engine.attach("c1"))
                _ = try await bed.engine.start("c1")
                let began = ContinuousClock.now
                #expect(await EngineBed.exit(of: "c1", in: exits)?.code == 0)
                try await wait("the end") { client.hasEnded }
                print("held up for \(ContinuousClock.now - began) by a client that takes nothing")
                #expect(client.out.hasSuffix("9 2999\r\n"), "\(client.out.suffix(60))")
                withExtendedLifetime(dead) {}
            }
        }

        @Test func `a further process has a terminal or pipes of its own`() async throws {
            try await withEngine { bed in
                _ = try await bed.engine.prepare(bed.script("sleep 1000"))
                _ = try await bed.engine.start("c1")
                let piped = try await bed.engine.begin(
                    "c1", arguments: ["sh", "-c", "cat; echo no >&2; exit 4"], terminal: false)
                do {
                    let input = try #require(piped.takeInput())
                    _ = write(input.number, "through", 7)
                }
                func all(_ end: StreamEnd?) -> String {
                    var bytes = [UInt8](repeating: 0, count: 4096)
                    guard let end else { return "" }
                    let count = read(end.number, &bytes, bytes.count)
                    return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
                }
                #expect(all(piped.output) == "through")
                #expect(try await piped.wait().code == 4)
                #expect(all(piped.error) == "no\n")

                let session = try await bed.engine.begin("c1", arguments: ["sh"], terminal: true)
                let terminal = try #require(session.terminal)
                session.resize(rows: 5, columns: 6)
                _ = write(terminal.number, "stty size; tty; exec sleep 500\n", 31)
                var shown = ""
                for _ in 0..<50 where !shown.contains("/dev/pts/0") { shown += all(terminal) }
                #expect(shown.contains("5 6\r\n") && shown.contains("/dev/pts/0"), "\(shown)")
                #expect(try await bed.engine.processes("c1").count >= 3)
                session.kill()
                #expect(try await session.wait().signal == SIGKILL)
                let missing = try await bed.engine.begin("c1", arguments: ["/no/such"], terminal: true)
                #expect(try await missing.wait().failure == "exec /no/such: No such file or directory")
            }
        }

        @Test func `detach keys are found over any split, and what is none goes through`() {
            let typed: [UInt8] = [1, 0x10, 2, 0x10, 0x10, 0x11, 9]
            for split in 0...typed.count {
                var keys = DetachKeys()
                var passed: [UInt8] = []
                var isDetached = false
                for part in [typed[..<split], typed[split...]] where !isDetached {
                    let (bytes, detached) = keys.take(part)
                    passed += bytes
                    isDetached = detached
                }
                #expect(passed == [1, 0x10, 2, 0x10] && isDetached, "split at \(split)")
            }
        }
    }
}
