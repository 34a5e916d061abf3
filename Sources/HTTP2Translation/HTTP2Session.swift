import CNGHTTP2
package import HTTPFraming

/// One HTTP/2 connection, whatever carries its bytes: those that came go in by `receive`, those to be sent lie in `output`.
///
/// libnghttp2 does frames, header compression, flow control and the protocol's states; this class makes streams of it that speak HTTP/1.1.
/// It calls nobody: what has happened lies in `takeArrivals` and `takeNews`. Not thread-safe.
package final class HTTP2Session {
    package enum Side: Hashable, Sendable { case server, client }

    package let side: Side
    package let settings: HTTP2Settings
    /// To be sent; `produce` adds to it.
    package var output = ByteQueue()
    /// The peer opens no more streams, or takes no more.
    package internal(set) var isLeaving = false
    /// Why the session has to be closed, with what it still has to say: a sentence.
    package private(set) var failure: String?
    /// Part of a head has come, and the rest has not.
    package var isInHead: Bool { headStream != 0 }
    /// Streams in use, the ones not yet sent included.
    package var openStreams: Int { open.count + unsent }

    var session: OpaquePointer?
    var open: [Int32: HTTP2Stream] = [:]
    private var unsent = 0
    var arrivals: [HTTP2Stream] = []
    private var listed: [HTTP2Stream] = []
    var allowance = Allowance()
    /// The stream whose header block is being read, and whether its fields were refused.
    var headStream: Int32 = 0
    var headIsRefused = false
    var headIsTrailers = false
    var requestHead: StreamRequestHead
    var responseHead: StreamResponseHead
    var trailers: StreamTrailers
    /// The head that is being submitted.
    var fields = StreamFieldList()
    private var pairs: [nghttp2_nv] = []

    /// nil when there is no memory for it.
    package init?(_ side: Side, _ settings: HTTP2Settings = HTTP2Settings()) {
        self.side = side
        self.settings = settings
        requestHead = StreamRequestHead(limits: settings.framing)
        responseHead = StreamResponseHead(limits: settings.framing)
        trailers = StreamTrailers(limits: settings.framing)
        session = HTTP2Callbacks.session(side, Unmanaged.passUnretained(self).toOpaque())
        guard session != nil else { return nil }
        var entries = [
            nghttp2_settings_entry(
                settings_id: Int32(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE.rawValue), value: UInt32(settings.streamWindow)),
            nghttp2_settings_entry(
                settings_id: Int32(NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE.rawValue), value: UInt32(settings.framing.headBytes)),
        ]
        entries.append(
            side == .server
                ? nghttp2_settings_entry(
                    settings_id: Int32(NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS.rawValue), value: settings.streams)
                : nghttp2_settings_entry(settings_id: Int32(NGHTTP2_SETTINGS_ENABLE_PUSH.rawValue), value: 0))
        nghttp2_submit_settings(session, Self.none, entries, entries.count)
        nghttp2_session_set_local_window_size(session, Self.none, 0, settings.sessionWindow)
    }

    deinit { nghttp2_session_del(session) }

    private static let none = UInt8(NGHTTP2_FLAG_NONE.rawValue)

    // MARK: Bytes

    /// Takes bytes of the peer. `now` is any clock that never goes back, in nanoseconds.
    package func receive(_ bytes: UnsafeRawBufferPointer, now: Int64) {
        guard failure == nil else { return }
        allowance.pass(to: now)
        let count = nghttp2_session_mem_recv(session, bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), bytes.count)
        if count < 0 { fail(String(cString: nghttp2_strerror(Int32(count)))) }
        if failure == nil, isFinished { fail("the session was ended") }
    }

    /// Fills `output` with what may be sent, up to the limit of the settings.
    package func produce() {
        while output.count < settings.outputBytes {
            var data: UnsafePointer<UInt8>?
            let count = nghttp2_session_mem_send(session, &data)
            guard count > 0 else {
                if count < 0 { fail(String(cString: nghttp2_strerror(Int32(count)))) }
                if failure == nil, isFinished { fail("the session was ended") }
                return
            }
            output.append(UnsafeRawBufferPointer(start: data, count: count))
        }
    }

    func has(_ id: Int32) -> Bool { open[id] != nil }

    /// Whether `produce` has anything to add now.
    package var wantsToSend: Bool { !output.isEmpty || nghttp2_session_want_write(session) != 0 }
    /// Nothing is to be said or heard any more.
    package var isFinished: Bool { nghttp2_session_want_read(session) == 0 && nghttp2_session_want_write(session) == 0 }
    /// So many answers wait to be sent that nothing more should be read.
    package var isCongested: Bool { nghttp2_session_get_outbound_queue_size(session) > 1000 }

    private func fail(_ why: String) {
        if failure == nil { failure = why }
        isLeaving = true
        breakOff()
    }

    /// The connection is gone: so are its streams.
    package func breakOff() {
        isLeaving = true
        for stream in open.values.sorted(by: { $0.id < $1.id }) {
            stream.breakOff()
            stream.over()
        }
        open = [:]
    }

    // MARK: Streams

    /// New requests.
    package func takeArrivals() -> [HTTP2Stream] {
        defer { arrivals = [] }
        return arrivals
    }

    package var hasNews: Bool { !listed.isEmpty || !arrivals.isEmpty }

    /// Streams with news since the last call.
    package func takeNews() -> [(stream: HTTP2Stream, news: HTTP2Stream.News)] {
        guard !listed.isEmpty else { return [] }
        defer { listed.removeAll(keepingCapacity: true) }
        return listed.map { ($0, $0.takeNews()) }
    }

    /// Whether a further request may be sent now.
    package var canOpen: Bool {
        guard !isLeaving else { return false }
        let most = nghttp2_session_get_remote_settings(session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS)
        return openStreams < min(Int(most), Int(settings.streams))
    }

    /// A stream for a request; the head that is written to it goes out.
    package func openStream() -> HTTP2Stream {
        unsent += 1
        return HTTP2Stream(self, id: 0)
    }

    /// Tells the peer that the session will end: no stream beyond those under way. `soon` leaves time for those on their way here.
    package func leave(soon: Bool) {
        if soon {
            nghttp2_submit_shutdown_notice(session)
        } else {
            isLeaving = true
            nghttp2_submit_goaway(
                session, Self.none, nghttp2_session_get_last_proc_stream_id(session), NGHTTP2_NO_ERROR.rawValue, nil, 0)
        }
    }

    package func ping() { nghttp2_submit_ping(session, Self.none, nil) }

    // MARK: What streams ask for

    func list(_ stream: HTTP2Stream) { listed.append(stream) }

    func credit(_ stream: HTTP2Stream, _ count: Int) {
        nghttp2_session_consume_stream(session, stream.id, count)
    }

    func resume(_ stream: HTTP2Stream) { nghttp2_session_resume_data(session, stream.id) }

    func reset(_ stream: HTTP2Stream, _ code: nghttp2_error_code) {
        nghttp2_submit_rst_stream(session, Self.none, stream.id, code.rawValue)
    }

    /// A stream that never went out was given up.
    func closed(_ stream: HTTP2Stream) {
        unsent -= 1
        stream.over()
    }

    func submitInterim(_ stream: HTTP2Stream) {
        _ = withPairs(fields) { nghttp2_submit_headers(session, Self.none, stream.id, nil, $0.baseAddress, $0.count, nil) }
    }

    func submitResponse(_ stream: HTTP2Stream, withBody: Bool) -> Bool {
        var provider = HTTP2Callbacks.provider(stream)
        return withPairs(fields) { pairs in
            withBody
                ? nghttp2_submit_response(session, stream.id, pairs.baseAddress, pairs.count, &provider)
                : nghttp2_submit_response(session, stream.id, pairs.baseAddress, pairs.count, nil)
        } == 0
    }

    /// The stream's number, nil when the session takes no more.
    func submitRequest(_ stream: HTTP2Stream, withBody: Bool) -> Int32? {
        var provider = HTTP2Callbacks.provider(stream)
        let user = Unmanaged.passUnretained(stream).toOpaque()
        let id = withPairs(fields) { pairs in
            withBody
                ? nghttp2_submit_request(session, nil, pairs.baseAddress, pairs.count, &provider, user)
                : nghttp2_submit_request(session, nil, pairs.baseAddress, pairs.count, nil, user)
        }
        unsent -= 1
        guard id > 0 else {
            isLeaving = true
            return nil
        }
        open[id] = stream
        return id
    }

    func submitTrailers(_ stream: HTTP2Stream) {
        stream.withTrailers { list in
            _ = withPairs(list) { nghttp2_submit_trailer(session, stream.id, $0.baseAddress, $0.count) }
        }
    }

    /// The library copies what the pairs point to.
    private func withPairs(_ list: borrowing StreamFieldList, _ body: (UnsafeBufferPointer<nghttp2_nv>) -> Int32) -> Int32 {
        guard let base = list.bytes.baseAddress else { return -1 }
        let bytes = UnsafeMutableRawPointer(mutating: base).assumingMemoryBound(to: UInt8.self)
        pairs.removeAll(keepingCapacity: true)
        for line in list.lines {
            let flags = line.isSensitive ? NGHTTP2_NV_FLAG_NO_INDEX : NGHTTP2_NV_FLAG_NONE
            pairs.append(
                nghttp2_nv(
                    name: bytes + line.name.lowerBound, value: bytes + line.value.lowerBound, namelen: line.name.count,
                    valuelen: line.value.count, flags: UInt8(flags.rawValue)))
        }
        return pairs.withUnsafeBufferPointer(body)
    }
}
