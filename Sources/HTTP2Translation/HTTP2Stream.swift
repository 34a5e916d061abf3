import CNGHTTP2
import Glibc
import HTTPFraming

/// One stream of a session, as a virtual HTTP/1.1 connection that carries one request and its response.
///
/// Its user reads and writes HTTP/1.1 as on a non-blocking socket. Changes are gathered by the session: `HTTP2Session.takeNews()`.
package final class HTTP2Stream {
    /// Data kept for the peer beyond which `send` takes no more.
    private static let queueBytes = 16 << 10

    /// Whoever uses the stream may keep what it needs here, until `close`.
    package var user: AnyObject?
    /// The session, until the stream is over.
    private(set) var session: HTTP2Session?
    /// 0 as long as a request of ours has not gone out.
    private(set) var id: Int32
    private let isServer: Bool
    private let limits: FramingLimits

    // MARK: From the peer

    /// HTTP/1.1 bytes not read yet.
    var incoming = ByteQueue()
    var body = StreamBodyWriter(.none)
    /// A final head came; what comes next as fields are trailers.
    var hasHead = false
    var hasEnded = false
    /// Only the end of the virtual connection tells where the body ends.
    var isUntilClose = false
    /// Data bytes whose window was not given back.
    private var uncredited = 0

    // MARK: To the peer

    /// A head that came in pieces.
    private var heldHead = ByteQueue()
    /// Data to be sent; `nil` body: the head is not whole.
    private(set) var outgoing = ByteQueue()
    private var reader: BodyBox?
    private var isSubmitted = false
    private var isDeferred = false
    private var wantsRoom = false
    /// The last frame of our direction is sent.
    private(set) var endSent = false
    /// Of the request: what its response's framing depends on.
    var isHead = false
    private(set) var minorVersion: UInt8 = 1

    // MARK: Ends

    /// The stream was reset, or its session ended.
    package private(set) var isBroken = false
    /// The peer did not process the request, whatever it is: it may be sent again elsewhere.
    package private(set) var wasRefused = false
    private(set) var isDetached = false
    private var cutsOnClose = false

    // MARK: News

    package private(set) var news: News = []
    private var isListed = false

    /// What has changed since the news were taken last.
    package struct News: OptionSet, Sendable {
        package let rawValue: UInt8
        package init(rawValue: UInt8) { self.rawValue = rawValue }
        package static let readable = News(rawValue: 1)
        package static let writable = News(rawValue: 2)
        package static let broken = News(rawValue: 4)
    }

    /// The class only keeps what cannot be copied where it can be absent.
    private final class BodyBox {
        var reader: StreamBodyReader
        init(_ framing: BodyFraming, _ limits: FramingLimits) { reader = StreamBodyReader(framing, limits: limits) }
    }

    init(_ session: HTTP2Session, id: Int32) {
        self.session = session
        self.id = id
        isServer = session.side == .server
        limits = session.settings.framing
    }

    // MARK: The virtual connection

    /// Reads: a count, 0 at the end, `-EAGAIN` when nothing is there now, `-ECONNRESET` when the rest will not come.
    package func receive(into room: UnsafeMutableRawBufferPointer) -> Int {
        let count = min(room.count, incoming.count)
        guard count > 0, let base = room.baseAddress, let from = incoming.bytes.baseAddress else {
            if isServer ? isAnswered : hasEnded { return 0 }
            return isBroken ? -Int(ECONNRESET) : -Int(EAGAIN)
        }
        base.copyMemory(from: from, byteCount: count)
        incoming.consume(count)
        // Chunk lines are no data: crediting the count, as far as there are data to credit, is right at the latest when all is read.
        credit(incoming.isEmpty ? uncredited : min(uncredited, count))
        if incoming.isEmpty {
            // What told of the end was told before these bytes were read.
            if isBroken { tell(.broken) } else if hasEnded, isUntilClose { tell(.readable) }
        }
        return count
    }

    /// Writes: all the bytes, or `-EAGAIN` when the peer has to take some first, or `-EPIPE` when it takes none any more.
    package func send(_ bytes: UnsafeRawBufferPointer) -> Int {
        guard !isBroken, let session else { return -Int(EPIPE) }
        guard outgoing.count < Self.queueBytes else {
            wantsRoom = true
            return -Int(EAGAIN)
        }
        do throws(FramingError) {
            try take(bytes, session)
            return bytes.count
        } catch {
            session.reset(self, NGHTTP2_INTERNAL_ERROR)
            return -Int(EPIPE)
        }
    }

    /// Nothing more will be written: where only that ends the body, it is whole.
    package func endWriting() {
        guard let reader, reader.reader.endsAtClose else { return }
        reader.reader.close()
        noteAnswered()
        resume()
    }

    /// `close` is to tell the peer that what it has is not whole.
    package func cutOnClose() { cutsOnClose = true }

    /// The user is done. What was written still goes out, unless it was not whole.
    package func close() {
        user = nil
        guard !isDetached else { return }
        isDetached = true
        news = []
        incoming.clear()
        guard let session else { return }
        credit(uncredited)
        if id == 0 { return session.closed(self) }
        if isServer {
            if !isAnswered || cutsOnClose {
                session.reset(self, cutsOnClose || hasHead ? NGHTTP2_INTERNAL_ERROR : NGHTTP2_CANCEL)
            } else if endSent, !hasEnded {
                session.reset(self, NGHTTP2_NO_ERROR)
            }
        } else if !isAnswered || !(hasEnded || (hasHead && body.isWhole)) {
            session.reset(self, NGHTTP2_CANCEL)
        }
    }

    /// Every byte of our message is here.
    private var isAnswered: Bool { reader?.reader.isDone ?? false }

    // MARK: Writing

    private func take(_ bytes: UnsafeRawBufferPointer, _ session: HTTP2Session) throws(FramingError) {
        var rest = bytes
        while reader == nil {
            guard !rest.isEmpty else { return }
            let held = heldHead.count
            if held > 0 { heldHead.append(rest) }
            guard let used = try takeHead(held > 0 ? heldHead.bytes : rest, session) else {
                if held == 0 { heldHead.append(rest) }
                return
            }
            heldHead.clear()
            rest = UnsafeRawBufferPointer(rebasing: rest[(used - held)...])
        }
        guard let reader, !rest.isEmpty else { return }
        guard try reader.reader.take(rest, into: &outgoing) == rest.count else { throw .malformedRequestLine }
        noteAnswered()
        resume()
    }

    /// Reads one head and submits it; nil when it is not whole, else how many bytes it has.
    private func takeHead(_ bytes: UnsafeRawBufferPointer, _ session: HTTP2Session) throws(FramingError) -> Int? {
        session.fields.clear()
        if isServer {
            var scanner = ResponseScanner(limits: limits)
            guard let head = try scanner.scan(bytes, toHead: isHead) else { return nil }
            session.fields.response(head, scanner.fields, bytes)
            guard !head.isInterim else {
                session.submitInterim(self)
                return head.end
            }
            guard head.status != 101 else { throw .malformedStatusLine }
            reader = BodyBox(head.body, limits)
            isSubmitted = session.submitResponse(self, withBody: head.body != .none && head.body != .length(0))
            noteAnswered()
            return head.end
        }
        var scanner = RequestScanner(limits: limits)
        guard let head = try scanner.scan(bytes) else { return nil }
        session.fields.request(head, scanner.fields, bytes, scheme: "http")
        isHead = head.method == .head
        minorVersion = head.minorVersion
        reader = BodyBox(head.body, limits)
        if let id = session.submitRequest(self, withBody: head.body != .none && head.body != .length(0)) {
            self.id = id
            isSubmitted = true
        } else {
            refuse()
        }
        return Int(head.bytes.end)
    }

    /// There will be no second request: once the response is whole, the virtual connection has ended.
    private func noteAnswered() { if isServer, isAnswered { tell(.readable) } }

    private func resume() {
        guard isDeferred, let session else { return }
        isDeferred = false
        session.resume(self)
    }

    // MARK: What the session asks and tells

    /// How much of the next frame there is: nil when there is nothing yet.
    func nextData(_ most: Int) -> (count: Int, isLast: Bool, hasTrailers: Bool)? {
        guard let reader else { return nil }
        let count = min(most, outgoing.count)
        let isLast = count == outgoing.count && reader.reader.isDone
        guard count > 0 || isLast else {
            isDeferred = true
            return nil
        }
        return (count, isLast, isLast && !reader.reader.trailers.isEmpty)
    }

    func withTrailers(_ body: (borrowing StreamFieldList) -> Void) { if let reader { body(reader.reader.trailers) } }

    /// A frame took them.
    func sent(_ count: Int) {
        outgoing.consume(count)
        guard wantsRoom, outgoing.count < Self.queueBytes / 2 else { return }
        wantsRoom = false
        tell(.writable)
    }

    /// Our last frame is on its way.
    func sentEnd() {
        endSent = true
        outgoing.clear()
        if isDetached, isServer, !hasEnded { session?.reset(self, NGHTTP2_NO_ERROR) }
    }

    /// Data came, for which the peer used so much of its window.
    func took(_ count: Int) {
        uncredited += count
        if isDetached { credit(uncredited) }
    }

    private func credit(_ count: Int) {
        guard count > 0 else { return }
        uncredited -= count
        session?.credit(self, count)
    }

    func refuse() {
        wasRefused = true
        breakOff()
    }

    /// The stream gives nothing more and takes nothing more.
    func breakOff() {
        guard !isBroken else { return }
        isBroken = true
        outgoing.clear()
        tell(.broken)
    }

    /// The session let go of it.
    func over() { session = nil }

    func tell(_ what: News) {
        guard !isDetached else { return }
        news.insert(what)
        guard !isListed, let session else { return }
        isListed = true
        session.list(self)
    }

    func takeNews() -> News {
        isListed = false
        defer { news = [] }
        return news
    }
}
