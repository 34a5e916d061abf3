import SwiftProtobuf

extension Frame {
    init(_ type: MessageType, _ message: some SwiftProtobuf.Message) {
        var options = BinaryEncodingOptions()
        // Equal messages have equal bytes, whatever order a dictionary happens to have.
        options.useDeterministicOrdering = true
        do {
            self.init(type: type.rawValue, payload: try message.serializedBytes(options: options))
        } catch {
            // Encoding fails only for missing required fields and `Any` (proto3 messages of ours have neither) and beyond 2 GiB.
            fatalError("failed to encode a message of type \(type): \(error)")
        }
    }

    /// Reads the payload as `Wire`, then converts it; whatever goes wrong is a `malformed` of this frame's type.
    func decode<Wire: SwiftProtobuf.Message, Value>(
        _: Wire.Type, _ convert: (Wire) throws(WireProblem) -> Value
    ) throws(ProtocolError) -> Value {
        let message: Wire
        do {
            message = try Wire(serializedBytes: payload)
        } catch {
            throw .malformed(type: type, reason: "not a valid protobuf message: \(error)")
        }
        do {
            return try convert(message)
        } catch {
            throw .malformed(type: type, reason: error.reason)
        }
    }
}
