/// How one request ended.
package enum RequestOutcome: Hashable, Sendable {
    /// A complete answer with this status.
    case answered(Int)
    /// No connection could be made.
    case refused(String)
    /// The connection ended before the answer was complete.
    case reset
    /// No complete answer within the plan's timeout.
    case timeout
    /// The answer was not HTTP, or had bytes behind its end.
    case badResponse(String)

    /// Anything but a complete 2xx or 3xx answer is a failed request.
    package var isFailure: Bool {
        if case .answered(let status) = self { !(200..<400).contains(status) } else { true }
    }

    /// One word for counting: `answered`, `refused`, `reset`, `timeout` or `badResponse`.
    package var kind: String {
        switch self {
        case .answered: "answered"
        case .refused: "refused"
        case .reset: "reset"
        case .timeout: "timeout"
        case .badResponse: "badResponse"
        }
    }

    package var status: Int? {
        if case .answered(let status) = self { status } else { nil }
    }

    package var detail: String? {
        switch self {
        case .refused(let text), .badResponse(let text): text
        case .answered, .reset, .timeout: nil
        }
    }
}

/// One line of the ledger. Times are nanoseconds since the run began.
package struct RequestRecord: Hashable, Sendable {
    /// From 0, in the order the requests were due; the request's id header is the run's name and this number.
    package var number: Int
    /// Index into the plan's phases.
    package var phase: Int
    /// When it was due: latency counts from here.
    package var intended: Int64
    /// When its first byte was written; nil when none was.
    package var sent: Int64?
    package var finished: Int64
    /// Which connection carried it, numbered from 0; nil when none did.
    package var connection: Int?
    package var outcome: RequestOutcome
    /// The value of `"version"` in the answer's body.
    package var version: String?

    package var latency: Int64 { finished - intended }

    /// The line as JSON, times in milliseconds.
    func json(run: String, phaseName: String) -> String {
        var text =
            "{\"id\":\"\(run)-\(number)\",\"phase\":\(JSONText.quoted(phaseName)),\"intended_ms\":\(JSONText.milliseconds(intended))"
        if let sent { text += ",\"sent_ms\":\(JSONText.milliseconds(sent))" }
        text += ",\"latency_ms\":\(JSONText.milliseconds(latency))"
        if let connection { text += ",\"connection\":\(connection)" }
        text += ",\"outcome\":\"\(outcome.kind)\""
        if let status = outcome.status { text += ",\"status\":\(status)" }
        if let detail = outcome.detail { text += ",\"detail\":\(JSONText.quoted(detail))" }
        if let version { text += ",\"version\":\(JSONText.quoted(version))" }
        return text + "}\n"
    }
}

enum JSONText {
    static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case _ where scalar.value < 0x20:
                let hex = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }

    /// Nanoseconds as milliseconds with three places: microseconds are what a clock read between two system calls is worth.
    static func milliseconds(_ nanoseconds: Int64) -> String {
        let microseconds = nanoseconds / 1000
        let rest = String(abs(microseconds % 1000))
        let sign = microseconds < 0 ? "-" : ""
        return "\(sign)\(abs(microseconds / 1000)).\(String(repeating: "0", count: 3 - rest.count))\(rest)"
    }
}
