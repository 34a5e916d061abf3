import HTTPFraming

/// An answer the gateway gives by itself.
struct LocalAnswer {
    var status: Int
    var explanation: String
    /// Seconds after which trying again makes sense.
    var retryAfter: Int?
    /// Where to ask instead.
    var location: [UInt8]?
    /// Sends a request back to the gateway it came from.
    var isTurnAway = false

    init(_ status: Int, _ explanation: String, retryAfter: Int? = nil) {
        self.status = status
        self.explanation = explanation
        self.retryAfter = retryAfter
    }

    /// The same request again, method and body included, at another place.
    static func redirect(to location: [UInt8]) -> LocalAnswer {
        var answer = LocalAnswer(308, "this host is served by https")
        answer.location = location
        return answer
    }

    static let noRoute = LocalAnswer(404, "no service has this host and path")
    static let queueFull = LocalAnswer(503, "too many requests are waiting for this service", retryAfter: 1)
    static let waitedTooLong = LocalAnswer(503, "no replica of this service became free in time", retryAfter: 5)
    static let serviceGone = LocalAnswer(503, "this service was removed", retryAfter: 30)
    static let replicaBroke = LocalAnswer(502, "the replica closed the connection without a response")
    static let replicaUnclear = LocalAnswer(502, "the replica's response is malformed")
    static let replicaSilent = LocalAnswer(504, "the replica did not answer in time")
    static let clientSilent = LocalAnswer(408, "the request did not arrive in time")
    static let notAPeer = LocalAnswer(403, "this listener is for the gateways of this fleet")
    static let peerHasNoPlace = LocalAnswer(503, "no replica of this service has room", retryAfter: 1)
    static let turnAway: LocalAnswer = {
        var answer = LocalAnswer(503, "no place here")
        answer.isTurnAway = true
        return answer
    }()
    static let tooManyConnections = LocalAnswer(503, "too many connections are open", retryAfter: 1)
    static let tooManyOfSource = LocalAnswer(429, "too many connections are open from this address", retryAfter: 1)
    static let stopping = LocalAnswer(503, "the gateway is stopping", retryAfter: 1)

    private static func reason(_ status: Int) -> StaticString {
        switch status {
        case 308: "Permanent Redirect"
        case 400: "Bad Request"
        case 403: "Forbidden"
        case 404: "Not Found"
        case 408: "Request Timeout"
        case 413: "Content Too Large"
        case 414: "URI Too Long"
        case 417: "Expectation Failed"
        case 429: "Too Many Requests"
        case 431: "Request Header Fields Too Large"
        case 501: "Not Implemented"
        case 502: "Bad Gateway"
        case 503: "Service Unavailable"
        case 504: "Gateway Timeout"
        case 505: "HTTP Version Not Supported"
        default: "Error"
        }
    }

    /// The response; a HEAD request gets the same without the body.
    func write(into out: inout ByteQueue, close: Bool, toHead: Bool, minorVersion: UInt8) {
        out.append("HTTP/1.1 ")
        out.append(text: String(status))
        out.append(" ")
        out.append(Self.reason(status))
        out.append("\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: ")
        out.append(text: String(explanation.utf8.count + 1))
        if let retryAfter {
            out.append("\r\nRetry-After: ")
            out.append(text: String(retryAfter))
        }
        if let location {
            out.append("\r\nLocation: ")
            out.append(location)
        }
        if isTurnAway { out.append("\r\nsidekick-peer: no-place") }
        if close {
            out.append("\r\nConnection: close")
        } else if minorVersion == 0 {
            out.append("\r\nConnection: keep-alive")
        }
        out.append("\r\n\r\n")
        if !toHead {
            out.append(text: explanation)
            out.append("\n")
        }
    }
}
