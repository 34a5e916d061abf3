import EventLoop
import Glibc
import SidekickModel
import Synchronization
import Testing

struct LoopTests {
    @Test func `submitted work runs in order on the loop's thread and stop comes after it`() async throws {
        let thread = try LoopThread(name: "test-order")
        let seen = Mutex<[Int]>([])
        for number in 0..<1000 { thread.loop.submit { seen.withLock { $0.append(number) } } }
        await thread.stop()
        #expect(seen.withLock { $0 } == Array(0..<1000))
    }

    @Test func `a timer wakes the loop at its deadline, not before`() async throws {
        final class Alarm: EventHandler {
            let fired: (Instant) -> Void
            unowned let loop: EventLoop
            init(loop: EventLoop, fired: @escaping (Instant) -> Void) {
                self.loop = loop
                self.fired = fired
            }
            func ready(_ readiness: Readiness) {}
            func expired(_ tag: Int) { fired(loop.now) }
        }
        let thread = try LoopThread(name: "test-timer")
        let loop = thread.loop
        let late: Double = await withCheckedContinuation { continuation in
            loop.submit {
                let deadline = EventLoop.monotonicNow() + Milliseconds(20)
                let alarm = Alarm(loop: loop) { continuation.resume(returning: $0 - deadline) }
                _ = loop.schedule(at: deadline, alarm)
            }
        }
        #expect(late >= 0)
        await thread.stop()
    }

    @Test(arguments: ["127.0.0.1:0", "[::1]:0", "/tmp/sidekick-loop-\(getpid()).sock"])
    func `bytes cross a connection both ways and closing is seen`(address: String) async throws {
        let address = try #require(SocketAddress(text: address))
        defer { if case .unix(let path) = address { unlink(path) } }
        let thread = try LoopThread(name: "test-echo")
        let loop = thread.loop
        let received: [UInt8] = try await withCheckedThrowingContinuation { continuation in
            loop.submit {
                do {
                    let server = try EchoListener(loop: loop, address: address)
                    try Client(loop: loop, to: server.address, message: [UInt8](repeating: 7, count: 300_000)) {
                        continuation.resume(returning: $0)
                    }
                } catch {
                    continuation.resume(throwing: error)
                }
            }
        }
        #expect(received.count == 300_000)
        #expect(received.allSatisfy { $0 == 7 })
        await thread.stop()
    }

    @Test func `listening on a taken port names the address`() throws {
        let first = try Socket.listening(on: .ip4(0x7F00_0001, port: 0), backlog: 8)
        let address = try #require({ first.localAddress() }())
        do {
            _ = try Socket.listening(on: address, backlog: 8)
            Issue.record("two listeners on \(address)")
        } catch {
            #expect(error.number == EADDRINUSE)
            #expect(error.description == "cannot listen on \(address): Address already in use")
        }
    }

    @Test func `an event already reported for an ended registration is not delivered`() async throws {
        let thread = try LoopThread(name: "test-forget")
        let loop = thread.loop
        let surprises: Int = try await withCheckedThrowingContinuation { continuation in
            loop.submit {
                do {
                    let pair = try MutualEnders(loop: loop)
                    pair.finish = { continuation.resume(returning: $0) }
                } catch {
                    continuation.resume(throwing: error)
                }
            }
        }
        #expect(surprises == 0)
        await thread.stop()
    }
}

@Suite struct SocketAddressTests {
    @Test(arguments: ["127.0.0.1:80", "0.0.0.0:65535", "[::]:1", "[2001:db8::1]:443", "/run/a.sock"])
    func `an address reads as it is written`(text: String) { #expect(SocketAddress(text: text)?.description == text) }

    @Test(arguments: [
        "", "localhost:80", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "1.2.3:80", "[::1]", "::1:80",
        "/" + String(repeating: "a", count: 107),
    ])
    func `what is no address is refused`(text: String) { #expect(SocketAddress(text: text) == nil) }
}
