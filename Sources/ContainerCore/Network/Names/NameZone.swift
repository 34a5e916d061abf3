/// What containers are told about names (DNS, RFC 1035): `SERVICE.sidekick.internal` is the host's gateway, everything else is asked of
/// the host's own resolvers.
///
/// Pure: a message in, an answer out. What is no plain question is refused or dropped, never passed on.
package struct NameZone: Hashable, Sendable {
    package static let suffix = "sidekick.internal"
    /// Seconds for which an answer may be kept; the address never changes while the bridge exists.
    static let lifetime: UInt32 = 60

    /// What every service's name stands for.
    package let address: IPv4Address

    package init(address: IPv4Address) {
        self.address = address
    }

    package enum Answer: Hashable, Sendable {
        case reply([UInt8])
        /// A question that is not ours to answer.
        case forward
        case drop
    }

    package func answer(_ message: [UInt8]) -> Answer {
        guard message.count >= 12, message[2] & 0x80 == 0 else { return .drop }
        guard message[2] & 0x78 == 0 else { return reply(to: message, question: nil, code: .notImplemented) }
        guard message.number(at: 4) == 1, let question = NameQuestion(in: message) else {
            return reply(to: message, question: nil, code: .malformed)
        }
        guard let service = question.labels(below: Self.suffix) else { return .forward }
        guard service.count <= 1 else { return reply(to: message, question: question, code: .noSuchName) }
        return reply(to: message, question: question, code: .fine, holdsAddress: service.count == 1 && question.isAddress)
    }

    /// The answer to a question that nobody else answers either, so that whoever asked need not wait; nil for what is no question.
    package func failure(of message: [UInt8]) -> [UInt8]? {
        guard let question = NameQuestion(in: message),
            case .reply(let reply) = reply(to: message, question: question, code: .failed)
        else { return nil }
        return reply
    }

    private enum Code: UInt8 {
        case fine = 0
        case malformed = 1
        case failed = 2
        case noSuchName = 3
        case notImplemented = 4
    }

    private func reply(to message: [UInt8], question: NameQuestion?, code: Code, holdsAddress: Bool = false) -> Answer {
        // Identity; an authoritative response, recursion as it was wanted; recursion available and the code; then four counts.
        var reply = Array(message[..<2]) + [0x84 | message[2] & 0x79, 0x80 | code.rawValue]
        reply += [0, question == nil ? 0 : 1, 0, holdsAddress ? 1 : 0, 0, 0, 0, 0]
        if let question { reply += message[12..<question.end] }
        if holdsAddress {
            // The question's name by its place; type A, class IN, lifetime, four bytes.
            reply +=
                [0xc0, 12, 0, 1, 0, 1] + [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: Self.lifetime >> $0) } + [0, 4]
                + address.bytes
        }
        return .reply(reply)
    }
}

/// The one question of a message.
struct NameQuestion: Hashable {
    /// In lower case.
    let labels: [[UInt8]]
    let type: UInt16
    let recordClass: UInt16
    /// Where the question ends in its message.
    let end: Int

    var isAddress: Bool { type == 1 && recordClass == 1 }

    /// Nil when the message ends before the question does, the name is longer than 255 bytes, or refers elsewhere.
    init?(in message: [UInt8]) {
        var labels: [[UInt8]] = []
        var at = 12
        while true {
            guard at < message.count, at - 12 < 255 else { return nil }
            let length = Int(message[at])
            at += 1
            if length == 0 { break }
            guard length < 64, at + length <= message.count else { return nil }
            labels.append(message[at..<at + length].map { (0x41...0x5a).contains($0) ? $0 | 0x20 : $0 })
            at += length
        }
        guard at + 4 <= message.count else { return nil }
        self.labels = labels
        type = message.number(at: at)
        recordClass = message.number(at: at + 2)
        end = at + 4
    }

    /// The labels before a suffix, nil when the name has another.
    func labels(below suffix: String) -> ArraySlice<[UInt8]>? {
        let ending = suffix.split(separator: ".").map { Array($0.utf8) }
        guard labels.suffix(ending.count) == ending[...] else { return nil }
        return labels.dropLast(ending.count)
    }
}

extension [UInt8] {
    /// Two bytes, most significant first.
    func number(at index: Int) -> UInt16 { UInt16(self[index]) << 8 | UInt16(self[index + 1]) }

    mutating func set(_ number: UInt16, at index: Int) {
        self[index] = UInt8(number >> 8)
        self[index + 1] = UInt8(truncatingIfNeeded: number)
    }
}
