import HTTPFraming

/// One message as a reader understood it.
struct SeenMessage: Hashable, CustomStringConvertible {
    /// Method and target, or status.
    var start: String
    /// `name: value`, in order.
    var fields: [String]
    var body: [UInt8] = []
    /// Whether its end was found.
    var isComplete = false

    var description: String {
        "\(start) \(fields) body \(String(decoding: body, as: UTF8.self).debugDescription)\(isComplete ? "" : " incomplete")"
    }
}

/// What a reader made of all bytes of a connection.
struct Reading {
    var messages: [SeenMessage] = []
    /// Why it refused what followed, if it did.
    var refusal: String?
    /// The same as a value, when the reader is ours.
    var error: FramingError?
    /// Set when the last message ends what can be compared: the connection closes, or becomes something else than HTTP.
    var stopped = false
    /// The first message that the reference is known not to take and we do.
    var beyondReference: Int?

    var complete: [SeenMessage] { messages.filter(\.isComplete) }
}

func trimmed(_ text: String) -> String {
    let isBlank: (Character) -> Bool = { $0 == " " || $0 == "\t" }
    return String(text.drop(while: isBlank).reversed().drop(while: isBlank).reversed())
}

/// `bytes` in pieces that end at `cuts`.
func pieces(_ bytes: [UInt8], _ cuts: [Int]) -> [ArraySlice<UInt8>] {
    let ends = cuts.filter { $0 > 0 && $0 < bytes.count }.sorted() + [bytes.count]
    var start = 0
    return ends.map { end in
        defer { start = end }
        return bytes[start..<end]
    }
}
