/// Where a stretch of bytes lies in the buffer a scanner was given.
package struct ByteRange: Hashable, Sendable {
    package var start: Int32
    package var end: Int32

    @inlinable package init(_ start: Int, _ end: Int) {
        self.start = Int32(truncatingIfNeeded: start)
        self.end = Int32(truncatingIfNeeded: end)
    }

    @inlinable package var count: Int { Int(end) - Int(start) }
    @inlinable package var isEmpty: Bool { start == end }

    /// The bytes themselves, in the buffer that was scanned.
    @inlinable package func of(_ bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: bytes[Int(start)..<Int(end)])
    }
}

/// One field line of a head.
package struct Field: Hashable, Sendable {
    /// What a proxy has to know a field for.
    package enum Role: UInt8, Hashable, Sendable {
        case plain
        case host, contentLength, transferEncoding, connection, upgrade, expect
        case forwardedFor, forwardedProto, forwardedHost, requestID, cookie
        /// What gateways of one fleet say to each other of a request, never to anybody else.
        case peer
        /// Another field by which a proxy says who its client is: `Forwarded`, `X-Real-Ip`, `X-Forwarded-Port`.
        case forwarded
        /// Meant for the next hop only, by its name or because `Connection` names it: not passed on.
        case hopByHop
    }

    package var name: ByteRange
    package var value: ByteRange
    package var role: Role

    /// The whole line, its end of line included.
    package var line: ByteRange { ByteRange(Int(name.start), Int(lineEnd)) }
    var lineEnd: Int32

    /// Whether the field has this name, which is given in lower case.
    @inlinable package func isNamed(_ lowercased: StaticString, in bytes: UnsafeRawBufferPointer) -> Bool {
        guard name.count == lowercased.utf8CodeUnitCount else { return false }
        for index in 0..<name.count {
            let byte = bytes[Int(name.start) + index]
            if (byte &- 0x41 < 26 ? byte | 0x20 : byte) != lowercased.utf8Start[index] { return false }
        }
        return true
    }

    @inline(__always)
    static func role(_ bytes: UnsafeRawPointer, _ start: Int, _ end: Int) -> Role {
        func named(_ name: StaticString) -> Bool { ByteClass.equal(bytes, start, end, name) }
        switch end - start {
        case 2: return named("te") ? .hopByHop : .plain
        case 4: return named("host") ? .host : .plain
        case 6: return named("expect") ? .expect : named("cookie") ? .cookie : .plain
        case 7: return named("upgrade") ? .upgrade : .plain
        case 9: return named("forwarded") || named("x-real-ip") ? .forwarded : .plain
        case 10: return named("connection") ? .connection : named("keep-alive") ? .hopByHop : .plain
        case 12: return named("x-request-id") ? .requestID : .plain
        case 13: return named("sidekick-peer") ? .peer : .plain
        case 14: return named("content-length") ? .contentLength : .plain
        case 15: return named("x-forwarded-for") ? .forwardedFor : .plain
        case 16:
            if named("x-forwarded-host") { return .forwardedHost }
            return named("x-forwarded-port") ? .forwarded : named("proxy-connection") ? .hopByHop : .plain
        case 17: return named("transfer-encoding") ? .transferEncoding : named("x-forwarded-proto") ? .forwardedProto : .plain
        default: return .plain
        }
    }
}
