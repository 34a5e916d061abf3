import CNGHTTP2

/// The way from libnghttp2's callbacks to the session they are about.
enum HTTP2Callbacks {
    static func session(_ side: HTTP2Session.Side, _ owner: UnsafeMutableRawPointer) -> OpaquePointer? {
        var callbacks: OpaquePointer?
        var options: OpaquePointer?
        var session: OpaquePointer?
        guard nghttp2_session_callbacks_new(&callbacks) == 0, nghttp2_option_new(&options) == 0 else { return nil }
        defer {
            nghttp2_session_callbacks_del(callbacks)
            nghttp2_option_del(options)
        }
        setReading(callbacks)
        setWriting(callbacks)
        // Streams give their windows back as their users read; the whole connection's is given back at once.
        nghttp2_option_set_no_auto_window_update(options, 1)
        // Closed streams are of use to priorities only, which are ignored.
        nghttp2_option_set_no_closed_streams(options, 1)
        nghttp2_option_set_server_fallback_rfc7540_priorities(options, 0)
        let result =
            side == .server
            ? nghttp2_session_server_new2(&session, callbacks, owner, options)
            : nghttp2_session_client_new2(&session, callbacks, owner, options)
        return result == 0 ? session : nil
    }

    static func provider(_ stream: HTTP2Stream) -> nghttp2_data_provider {
        nghttp2_data_provider(source: nghttp2_data_source(ptr: nil)) { _, id, _, length, flags, _, owner in
            guard let session = HTTP2Callbacks.owner(owner), session.has(id) else {
                return Int(NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue)
            }
            guard let next = session.nextData(id, length) else { return Int(NGHTTP2_ERR_DEFERRED.rawValue) }
            flags?.pointee = next.flags
            return next.count
        }
    }

    private static func owner(_ pointer: UnsafeMutableRawPointer?) -> HTTP2Session? {
        pointer.map { Unmanaged<HTTP2Session>.fromOpaque($0).takeUnretainedValue() }
    }

    private static func setReading(_ callbacks: OpaquePointer?) {
        nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks) { _, header, owner in
            if let header { HTTP2Callbacks.owner(owner)?.beganFrame(header.pointee) }
            return 0
        }
        nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks) { _, frame, owner in
            guard let headers = frame?.pointee.headers else { return 0 }
            HTTP2Callbacks.owner(owner)?.beganHead(headers.hd.stream_id, isRequest: headers.cat == NGHTTP2_HCAT_REQUEST)
            return 0
        }
        nghttp2_session_callbacks_set_on_header_callback(callbacks) { _, frame, name, nameLength, value, valueLength, _, owner in
            guard let frame else { return 0 }
            HTTP2Callbacks.owner(owner)?.tookField(
                frame.pointee.hd.stream_id, UnsafeRawBufferPointer(start: name, count: nameLength),
                UnsafeRawBufferPointer(start: value, count: valueLength))
            return 0
        }
        nghttp2_session_callbacks_set_on_invalid_header_callback(callbacks) { _, frame, _, _, _, _, _, owner in
            if let frame { HTTP2Callbacks.owner(owner)?.refuseHead(frame.pointee.hd.stream_id) }
            return 0
        }
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks) { _, _, id, data, length, owner in
            HTTP2Callbacks.owner(owner)?.tookData(id, UnsafeRawBufferPointer(start: data, count: length))
            return 0
        }
        nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks) { _, frame, owner in
            guard let header = frame?.pointee.hd, let session = HTTP2Callbacks.owner(owner) else { return 0 }
            let endsStream = UInt32(header.flags) & NGHTTP2_FLAG_END_STREAM.rawValue != 0
            switch UInt32(header.type) {
            case NGHTTP2_HEADERS.rawValue: session.tookHead(header.stream_id, endsStream: endsStream)
            case NGHTTP2_DATA.rawValue: if endsStream { session.tookEnd(header.stream_id) }
            case NGHTTP2_GOAWAY.rawValue: session.peerLeaves()
            default: break
            }
            return 0
        }
        nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks) { _, _, _, owner in
            HTTP2Callbacks.owner(owner)?.spend(Allowance.reset)
            return 0
        }
        nghttp2_session_callbacks_set_on_stream_close_callback(callbacks) { _, id, code, owner in
            HTTP2Callbacks.owner(owner)?.closed(id, code)
            return 0
        }
    }

    private static func setWriting(_ callbacks: OpaquePointer?) {
        nghttp2_session_callbacks_set_on_frame_send_callback(callbacks) { _, frame, owner in
            guard let header = frame?.pointee.hd else { return 0 }
            let type = UInt32(header.type)
            guard type == NGHTTP2_DATA.rawValue || type == NGHTTP2_HEADERS.rawValue else { return 0 }
            HTTP2Callbacks.owner(owner)?.sentFrame(
                header.stream_id, endsStream: UInt32(header.flags) & NGHTTP2_FLAG_END_STREAM.rawValue != 0)
            return 0
        }
        nghttp2_session_callbacks_set_on_frame_not_send_callback(callbacks) { _, frame, _, owner in
            guard let header = frame?.pointee.hd, UInt32(header.type) == NGHTTP2_HEADERS.rawValue,
                let session = HTTP2Callbacks.owner(owner), session.side == .client
            else { return 0 }
            session.notSent(header.stream_id)
            return 0
        }
        nghttp2_session_callbacks_set_send_data_callback(callbacks) { _, frame, header, length, _, owner in
            guard let frame, let session = HTTP2Callbacks.owner(owner) else { return NGHTTP2_ERR_CALLBACK_FAILURE.rawValue }
            return session.writeData(frame.pointee.hd.stream_id, UnsafeRawBufferPointer(start: header, count: 9), length).rawValue
        }
    }
}
