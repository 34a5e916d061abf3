import AgentProtocol
import SidekickModel
import Testing

struct FramingTests {
    @Test(arguments: [1, 2, 3, 7, 8, 9, 64, 4096, 1 << 20])
    func `a stream cut anywhere gives the same frames`(piece: Int) throws {
        let frames = Samples.allFrames
        let stream = Array((0..<20).map { _ in frames }.joined().joined())
        var decoder = FrameDecoder()
        var taken: [[UInt8]] = []
        var largest = 0
        for start in stride(from: 0, to: stream.count, by: piece) {
            decoder.append(contentsOf: stream[start..<min(start + piece, stream.count)])
            while let frame = try decoder.next() { taken.append(frame.bytes) }
            largest = max(largest, decoder.bufferedBytes)
        }
        #expect(taken == (0..<20).flatMap { _ in frames })
        #expect(decoder.bufferedBytes == 0)
        #expect(largest < (frames.map(\.count).max() ?? 0) + piece)
    }

    @Test func `a frame cut at any byte is not given out`() throws {
        for bytes in Samples.allFrames {
            for end in 0..<bytes.count {
                var decoder = FrameDecoder()
                decoder.append(contentsOf: bytes[..<end])
                #expect(try decoder.next() == nil)
                decoder.append(contentsOf: bytes[end...])
                #expect(try decoder.next()?.bytes == bytes)
            }
        }
    }

    @Test func `a frame above the limit is refused by its header alone, one at the limit is taken`() throws {
        var decoder = FrameDecoder(maximumFrameBytes: 1000)
        decoder.append(contentsOf: Frame(type: 1, payload: [UInt8](repeating: 7, count: 1000)).bytes)
        #expect(try decoder.next()?.payload.count == 1000)
        decoder.append(contentsOf: Frame(type: 1, payload: [UInt8](repeating: 7, count: 1001)).bytes[..<8])
        #expect(throws: ProtocolError.tooLarge(bytes: 1001, limit: 1000)) { try decoder.next() }
    }

    @Test func `the largest length a header can say is refused`() {
        var decoder = FrameDecoder()
        decoder.append(contentsOf: [0x53, 1, 1, 1, 255, 255, 255, 255])
        #expect(throws: ProtocolError.tooLarge(bytes: 4_294_967_295, limit: 8 << 20)) { try decoder.next() }
    }

    @Test func `a stranger is told at the first byte`() {
        var decoder = FrameDecoder()
        decoder.append(contentsOf: Array("G".utf8))
        #expect(throws: ProtocolError.notOurs(firstByte: 0x47)) { try decoder.next() }
    }

    @Test func `another frame format is told at the second byte`() {
        var decoder = FrameDecoder()
        decoder.append(contentsOf: [0x53, 2])
        #expect(throws: ProtocolError.version(2)) { try decoder.next() }
    }

    @Test func `a failed decoder stays failed and holds nothing`() throws {
        var decoder = FrameDecoder()
        decoder.append(contentsOf: [0])
        #expect(throws: ProtocolError.notOurs(firstByte: 0)) { try decoder.next() }
        decoder.append(contentsOf: AgentMessage.heartbeat.frame())
        #expect(throws: ProtocolError.notOurs(firstByte: 0)) { try decoder.next() }
        #expect(decoder.bufferedBytes == 0)
    }
}
