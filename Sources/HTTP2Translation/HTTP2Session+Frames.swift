import CNGHTTP2
import HTTPFraming

/// What libnghttp2 tells while it reads and writes. Nothing here may call a stream's user.
extension HTTP2Session {
    /// A frame begins. Those that cost more to take than to send are paid for.
    func beganFrame(_ header: nghttp2_frame_hd) {
        guard side == .server else { return }
        let flags = UInt32(header.flags)
        switch UInt32(header.type) {
        case NGHTTP2_DATA.rawValue: if header.length == 0, flags & NGHTTP2_FLAG_END_STREAM.rawValue == 0 { spend(1) }
        case NGHTTP2_HEADERS.rawValue, NGHTTP2_CONTINUATION.rawValue, NGHTTP2_WINDOW_UPDATE.rawValue: break
        case NGHTTP2_RST_STREAM.rawValue: spend(Allowance.reset)
        case NGHTTP2_PING.rawValue, NGHTTP2_SETTINGS.rawValue: if flags & NGHTTP2_FLAG_ACK.rawValue == 0 { spend(1) }
        // Unknown types are passed over by the library and not told.
        default: spend(1)
        }
    }

    func beganHead(_ id: Int32, isRequest: Bool) {
        headStream = id
        headIsRefused = false
        headIsTrailers = false
        if isRequest {
            requestHead.reset()
            open[id] = HTTP2Stream(self, id: id)
        } else if let stream = open[id], stream.hasHead {
            headIsTrailers = true
            trailers.reset()
        } else {
            responseHead.reset()
        }
    }

    func tookField(_ id: Int32, _ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
        guard id == headStream, !headIsRefused else { return }
        do throws(StreamError) {
            if headIsTrailers {
                try trailers.add(name, value)
            } else if side == .server {
                try requestHead.add(name, value)
            } else {
                try responseHead.add(name, value)
            }
        } catch {
            refuseHead(id)
        }
    }

    /// A field is one that HTTP/2 does not allow: the whole message is refused, not only the field left out.
    func refuseHead(_ id: Int32) {
        headIsRefused = true
        malformed(id)
    }

    private func malformed(_ id: Int32) {
        nghttp2_submit_rst_stream(session, 0, id, NGHTTP2_PROTOCOL_ERROR.rawValue)
        open[id]?.breakOff()
    }

    func tookHead(_ id: Int32, endsStream: Bool) {
        headStream = 0
        guard !headIsRefused, let stream = open[id], !stream.isBroken else { return }
        do throws(StreamError) {
            if headIsTrailers {
                // nghttp2 sees to it that trailers end the stream.
                try stream.body.end(trailers, into: &stream.incoming)
                stream.hasEnded = true
                stream.tell(.readable)
            } else if side == .server {
                stream.body = try requestHead.write(endsStream: endsStream, into: &stream.incoming)
                stream.isHead = requestHead.isHead
                stream.hasHead = true
                stream.hasEnded = endsStream
                arrivals.append(stream)
            } else {
                try tookResponseHead(stream, endsStream)
            }
        } catch {
            malformed(id)
        }
    }

    private func tookResponseHead(_ stream: HTTP2Stream, _ endsStream: Bool) throws(StreamError) {
        let body = try responseHead.write(
            endsStream: endsStream, toHead: stream.isHead, minorVersion: stream.minorVersion, into: &stream.incoming)
        guard let body else { return malformed(stream.id) }
        stream.tell(.readable)
        guard !responseHead.isInterim else { return }
        stream.body = body
        stream.isUntilClose = body.endsAtClose
        stream.hasHead = true
        stream.hasEnded = endsStream
    }

    func tookData(_ id: Int32, _ bytes: UnsafeRawBufferPointer) {
        nghttp2_session_consume_connection(session, bytes.count)
        guard let stream = open[id], !stream.isBroken else { return }
        stream.took(bytes.count)
        guard !stream.isDetached else { return }
        do throws(StreamError) {
            try stream.body.data(bytes, into: &stream.incoming)
            stream.tell(.readable)
        } catch {
            malformed(id)
        }
    }

    /// The peer's direction ended with data.
    func tookEnd(_ id: Int32) {
        guard let stream = open[id], !stream.isBroken, !stream.hasEnded else { return }
        do throws(StreamError) {
            try stream.body.end(into: &stream.incoming)
            stream.hasEnded = true
            stream.tell(.readable)
        } catch {
            malformed(id)
        }
    }

    func closed(_ id: Int32, _ code: UInt32) {
        if headStream == id { headStream = 0 }
        guard let stream = open.removeValue(forKey: id) else { return }
        if code == NGHTTP2_REFUSED_STREAM.rawValue {
            stream.refuse()
        } else if code != NGHTTP2_NO_ERROR.rawValue || !stream.hasEnded || !stream.endSent {
            stream.breakOff()
        }
        stream.over()
    }

    /// A request could not be sent any more.
    func notSent(_ id: Int32) {
        guard let stream = open.removeValue(forKey: id) else { return }
        stream.refuse()
        stream.over()
    }

    func sentFrame(_ id: Int32, endsStream: Bool) {
        guard endsStream, let stream = open[id] else { return }
        if side == .server { allowance.fill(Allowance.reset) }
        stream.sentEnd()
    }

    func peerLeaves() { isLeaving = true }

    func nextData(_ id: Int32, _ most: Int) -> (count: Int, flags: UInt32)? {
        // A stream that was broken off here has its reset on the way.
        guard let stream = open[id], let next = stream.nextData(most) else { return nil }
        var flags = NGHTTP2_DATA_FLAG_NO_COPY.rawValue
        if next.isLast { flags |= NGHTTP2_DATA_FLAG_EOF.rawValue }
        if next.hasTrailers {
            flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM.rawValue
            submitTrailers(stream)
        }
        return (next.count, flags)
    }

    /// Writes one frame of data. It has to wait when the output is full, and is left out when its stream was broken off since.
    func writeData(_ id: Int32, _ header: UnsafeRawBufferPointer, _ count: Int) -> nghttp2_error {
        guard let stream = open[id], stream.outgoing.count >= count else { return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE }
        guard output.count < settings.outputBytes else { return NGHTTP2_ERR_WOULDBLOCK }
        output.append(header)
        output.append(stream.outgoing.prefix(count))
        stream.sent(count)
        return nghttp2_error(0)
    }

    func spend(_ amount: Int) {
        guard !allowance.spend(amount), !isLeaving else { return }
        isLeaving = true
        nghttp2_session_terminate_session(session, NGHTTP2_ENHANCE_YOUR_CALM.rawValue)
    }
}
