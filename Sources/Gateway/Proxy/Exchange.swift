import HTTPFraming
import Orchestration
import SidekickModel

/// One request and its response on their way.
struct Exchange {
    var service: ServiceEntry?
    /// The place admission gave the request; nil while it waits.
    var ref: EndpointRef?
    var upstream: UpstreamConnection?
    var arrived = Instant.zero
    /// The replica that has or had the request last; -1 before.
    var target: Int32 = -1
    /// When the replica was chosen, and when its response head came.
    var forwarded = Instant.zero
    var responded: Instant?
    /// How long the body of the response is, as far as it is known to be.
    var responseBytes = 0
    /// The request's draft in the loop's access log; -1 when there is none.
    var logDraft: Int32 = -1
    /// What the client was answered; 0 before.
    var status = 0
    var method = Method.other
    var minorVersion: UInt8 = 1
    /// The client wants its connection kept.
    var keepAlive = true
    var upgrade = false
    /// The client sends its body when the replica says so, and neither has happened yet.
    var awaitsContinue = false

    /// The request's body beyond what is in the client's `request` buffer.
    var body = BodyScanner(.none)
    /// Bytes at the front of the client's input that belong to the body and are not sent.
    var bodyReady = 0
    /// Length of the head in the client's `request` buffer, and of the line for a peer within it, in front of the empty line.
    var headBytes = 0
    var peerLineBytes = 0
    /// Every byte of the request is read; in a tunnel: the client has ended.
    var requestDone = false
    /// Bytes of the client's `request` buffer that this replica has got.
    var sent = 0
    /// Body bytes beyond the buffer went out: the request cannot be sent again.
    var streamed = false
    /// The replica takes nothing more; its response may still come.
    var uploadBroken = false
    /// Replicas that had the request and lost it.
    var attempts = 0

    /// A final response head went to the client.
    var responseBegan = false
    /// Any byte, interim responses included, went to the client.
    var answered = false
    var response = BodyScanner(.none)
    /// Bytes at the front of the replica's input that belong to the response and are not sent.
    var responseReady = 0
    var upstreamKeepAlive = false
    /// In a tunnel: the replica has ended.
    var responseDone = false
    var closeAfter = false
    /// When the gateway ended its direction of the connection.
    var endedAt: Instant?

    /// Sending the request once more, to another replica, is safe and possible: it had no byte of it, or doing twice is like doing once.
    var isRepeatable: Bool { !streamed && !answered && attempts < 3 && (sent == 0 || method.isIdempotent) }
}
