import Glibc
import LinuxShims
import Testing

@testable import ContainerCore

struct NameZoneTests {
    private let zone = NameZone(address: IPv4Address(bits: 0x0a58_0001))

    @Test(arguments: ["web.sidekick.internal", "WEB.Sidekick.INTERNAL", "a-b.sidekick.internal"])
    func `a service's name is the gateway's address`(name: String) throws {
        let reply = try #require(zone.answer(question(name)).message)
        #expect(reply.code == 0 && reply.answers == 1 && reply.suffix(4) == [10, 88, 0, 1])
        #expect(
            Array(reply.prefix(2)) == [0xab, 0xcd] && reply[2] & 0x85 == 0x85, "identity, response, authority, recursion as asked"
        )
    }

    @Test func `other kinds of records of it are none, and names below it or beside it do not exist`() throws {
        let none = try #require(zone.answer(question("web.sidekick.internal", type: 28)).message)
        #expect(none.code == 0 && none.answers == 0)
        let zoneItself = try #require(zone.answer(question("sidekick.internal")).message)
        #expect(zoneItself.code == 0 && zoneItself.answers == 0)
        #expect(zone.answer(question("a.web.sidekick.internal")).message?.code == 3)
    }

    @Test(arguments: ["example.com", "internal", "sidekick.internal.example.com", "websidekick.internal", ""])
    func `everything else is passed on`(name: String) {
        #expect(zone.answer(question(name)) == .forward)
    }

    @Test func `what is no question is refused or dropped`() {
        let whole = question("web.sidekick.internal")
        var response = whole
        response[2] |= 0x80
        #expect(zone.answer(response) == .drop)
        #expect(zone.answer([]) == .drop)
        for end in 12..<whole.count { #expect(zone.answer(Array(whole[..<end])).message?.code == 1, "cut at \(end)") }
        var pointer = whole
        pointer[12] = 0xc0
        #expect(zone.answer(pointer).message?.code == 1)
        var status = whole
        status[2] |= 0x10
        #expect(zone.answer(status).message?.code == 4)
        var two = whole
        two[5] = 2
        #expect(zone.answer(two).message?.code == 1)
    }

    @Test(arguments: [UInt64](1...10))
    func `no bytes make it fail`(seed: UInt64) {
        var random = SplitMix(seed: seed)
        for _ in 0..<2000 {
            var message = question("web.sidekick.internal")
            for _ in 0..<Int.random(in: 0...6, using: &random) {
                message[Int.random(in: 0..<message.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            message.removeLast(Int.random(in: 0...message.count, using: &random))
            if case .reply(let reply) = zone.answer(message) {
                #expect(reply.count >= 12 && reply.count <= message.count + 16, "seed \(seed)")
            }
        }
    }

    @Test func `only an answer to what was asked is taken, once and in time`() throws {
        var pending = PendingQuestions<String>(most: 2, patience: 100)
        let asked = question("example.com")
        let first = pending.pass(asked, of: "a", as: 7, now: 0)
        let passed = try #require(first)
        let second = pending.pass(asked, of: "b", as: 7, now: 0)
        #expect(passed.number(at: 0) == 7 && second == nil)
        var answer = passed
        answer[2] |= 0x80
        var other = question("example.org", identity: 7)
        other[2] |= 0x80
        expectNone(pending.take(other, now: 1))
        expectNone(pending.take(passed, now: 1))
        let given = pending.take(answer, now: 1)
        let taken = try #require(given)
        #expect(taken.asker == "a" && taken.answer.number(at: 0) == 0xabcd)
        expectNone(pending.take(answer, now: 1))
        _ = pending.pass(asked, of: "c", as: 7, now: 10)
        expectNone(pending.take(answer, now: 110))
        for identity: UInt16 in 20..<30 {
            let passed = pending.pass(asked, of: "d", as: identity, now: 200)
            #expect(passed != nil)
        }
        #expect(pending.count == 2)
    }

    private func expectNone(_ taken: (asker: String, answer: [UInt8])?, location: SourceLocation = #_sourceLocation) {
        #expect(taken == nil, sourceLocation: location)
    }

    @Test func `resolvers are read from resolv.conf`() {
        let text = "# none\nsearch lan\nnameserver 127.0.0.53\nnameserver fe80::1\n nameserver\t10.0.0.2 \nnameserver\n"
        #expect(resolverAddresses(text).map(\.description) == ["127.0.0.53", "10.0.0.2"])
    }
}

struct NameServerTests {
    @Test func `a container asks the gateway for services, by datagram and by connection`() async throws {
        try await Namespace().run {
            let network = try makeNetwork()
            let container = try Namespace()
            _ = try network.attach("web", to: .descriptor(container.descriptor))
            let gateway = IPv4Address(bits: 0x0a5b_0001)
            let server = try NameServer(address: gateway, resolvers: [])
            defer { server.stop() }
            onThread { server.run { onThread($0) } }
            for kind in [SOCK_DGRAM, SOCK_STREAM] {
                let reply = try container.open { try ask("10.91.0.1", question("web.sidekick.internal"), kind) }
                #expect(reply.answers == 1 && Array(reply.suffix(4)) == [10, 91, 0, 1])
            }
            let failure = #expect(throws: ContainerError.self) { try NameServer(address: gateway, resolvers: []) }
            #expect(failure?.message.contains("port 53") == true)
        }
    }

    @Test func `what is not ours comes from the host's resolver, to the one who asked`() async throws {
        let outside = try Namespace()
        try await Namespace().run {
            try connectHost(to: outside)
            let server = try NameServer(
                address: IPv4Address(bits: 0x0a5c_0001), resolvers: [IPv4Address(bits: 0x0a5c_0002)])
            defer { server.stop() }
            onThread { server.run { onThread($0) } }
            let resolver = try outside.open {
                Socket(descriptor: try check(Glibc.socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0), "socket"))
            }
            try resolver.bind(port: 53)
            let asker = try outside.open {
                Socket(descriptor: try check(Glibc.socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0), "socket"))
            }
            try asker.connect("10.92.0.1", port: 53)
            try asker.send(question("example.com"))
            var (asked, from) = try resolver.receiveFrom()
            #expect(NameQuestion(in: asked) == NameQuestion(in: question("example.com")))
            asked[2] |= 0x80
            try resolver.send(asked, to: from)
            let answer = try asker.receiveFrom().message
            #expect(answer.number(at: 0) == 0xabcd && answer[2] & 0x80 != 0)
        }
    }
}

/// A question with recursion wanted.
private func question(_ name: String, type: UInt16 = 1, identity: UInt16 = 0xabcd) -> [UInt8] {
    var message: [UInt8] = [UInt8(identity >> 8), UInt8(truncatingIfNeeded: identity), 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]
    for label in name.split(separator: ".") { message += [UInt8(label.utf8.count)] + Array(label.utf8) }
    return message + [0, UInt8(type >> 8), UInt8(truncatingIfNeeded: type), 0, 1]
}

extension NameZone.Answer {
    fileprivate var message: [UInt8]? { if case .reply(let message) = self { message } else { nil } }
}

extension [UInt8] {
    fileprivate var code: UInt8 { self[3] & 15 }
    fileprivate var answers: UInt16 { number(at: 6) }
}

private func ask(_ server: String, _ message: [UInt8], _ kind: __socket_type) throws -> [UInt8] {
    let socket = Socket(descriptor: try check(Glibc.socket(AF_INET, Int32(kind.rawValue), 0), "socket"))
    try socket.connect(server, port: 53)
    let isStream = kind == SOCK_STREAM
    try socket.send((isStream ? [0, UInt8(message.count)] : []) + message)
    let reply = try socket.receiveFrom().message
    return isStream ? Array(reply.dropFirst(2)) : reply
}

extension Socket {
    fileprivate func bind(port: UInt16) throws {
        var address = Socket.address("0.0.0.0", port)
        _ = try withUnsafePointer(to: &address) { pointer in
            try pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                try check(Glibc.bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)), "bind")
            }
        }
    }

    fileprivate func connect(_ host: String, port: UInt16) throws {
        var address = Socket.address(host, port)
        _ = try withUnsafePointer(to: &address) { pointer in
            try pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                try check(Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)), "connect")
            }
        }
    }

    fileprivate func send(_ message: [UInt8], to address: sockaddr_in? = nil) throws {
        guard var address else {
            _ = try check(Int32(Glibc.send(descriptor, message, message.count, Int32(MSG_NOSIGNAL))), "send")
            return
        }
        _ = try withUnsafePointer(to: &address) { pointer in
            try pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                try check(
                    Int32(sendto(descriptor, message, message.count, 0, $0, socklen_t(MemoryLayout<sockaddr_in>.size))), "sendto")
            }
        }
    }

    fileprivate func receiveFrom() throws -> (message: [UInt8], from: sockaddr_in) {
        var from = sockaddr_in()
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = try withUnsafeMutablePointer(to: &from) { pointer in
            try pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                try check(Int32(recvfrom(descriptor, &bytes, bytes.count, 0, $0, &size)), "receive")
            }
        }
        return (Array(bytes[..<Int(count)]), from)
    }
}
