/// Cuts a stream of server-sent events into events (WHATWG HTML, section 9.2.6), as far as the API uses them: `event`, `data`, comments.
struct ServerSentEvents {
    struct Event: Hashable {
        var name: String
        var data: String
    }

    private var line: [UInt8] = []
    private var name = ""
    private var data: [String] = []

    /// The events that these bytes complete.
    mutating func take(_ bytes: some Sequence<UInt8>) -> [Event] {
        var events: [Event] = []
        for byte in bytes {
            guard byte == UInt8(ascii: "\n") else {
                line.append(byte)
                continue
            }
            if line.last == UInt8(ascii: "\r") { line.removeLast() }
            let text = String(decoding: line, as: UTF8.self)
            line = []
            if text.isEmpty {
                if !data.isEmpty {
                    events.append(Event(name: name.isEmpty ? "message" : name, data: data.joined(separator: "\n")))
                }
                name = ""
                data = []
            } else {
                take(line: text)
            }
        }
        return events
    }

    private mutating func take(line: String) {
        guard let colon = line.firstIndex(of: ":") else { return }
        var value = line[line.index(after: colon)...]
        if value.first == " " { value.removeFirst() }
        switch line[..<colon] {
        case "event": name = String(value)
        case "data": data.append(String(value))
        default: break
        }
    }
}
