/// Questions passed on to the host's resolvers and not answered yet.
///
/// Pure: time is a parameter, identities are the caller's choice. Bounded; the oldest gives way, since whoever asked asks again.
struct PendingQuestions<Asker> {
    private struct Entry {
        var asker: Asker
        var identity: UInt16
        /// The question as it was asked: an answer to another one is not taken.
        var question: ArraySlice<UInt8>
        var expires: Int64
    }

    private var entries: [UInt16: Entry] = [:]
    private var order: [UInt16] = []
    private let most: Int
    private let patience: Int64

    /// - Parameter patience: milliseconds after which an answer comes too late.
    init(most: Int = 1024, patience: Int64 = 10_000) {
        self.most = most
        self.patience = patience
    }

    var count: Int { entries.count }

    /// The message to pass on, under another identity; nil when that identity is in use.
    mutating func pass(_ message: [UInt8], of asker: Asker, as identity: UInt16, now: Int64) -> [UInt8]? {
        guard let question = NameQuestion(in: message) else { return nil }
        while let oldest = order.first, entries.count >= most || entries[oldest].map({ $0.expires <= now }) ?? true {
            entries[oldest] = nil
            order.removeFirst()
        }
        guard entries[identity] == nil else { return nil }
        entries[identity] = Entry(
            asker: asker, identity: message.number(at: 0), question: message[12..<question.end], expires: now + patience)
        order.append(identity)
        var passed = message
        passed.set(identity, at: 0)
        return passed
    }

    /// Who asked, and the answer under the identity that was asked with; nil for what answers nothing that is pending.
    mutating func take(_ answer: [UInt8], now: Int64) -> (asker: Asker, answer: [UInt8])? {
        guard answer.count >= 12, answer[2] & 0x80 != 0, let question = NameQuestion(in: answer),
            let entry = entries[answer.number(at: 0)], entry.expires > now, entry.question == answer[12..<question.end]
        else { return nil }
        entries[answer.number(at: 0)] = nil
        var answer = answer
        answer.set(entry.identity, at: 0)
        return (entry.asker, answer)
    }
}
