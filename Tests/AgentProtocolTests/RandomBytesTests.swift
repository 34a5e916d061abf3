import AgentProtocol
import Testing

/// splitmix64, so that a failure can be repeated from its printed seed.
struct SeededRandom: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}

struct RandomBytesTests {
    /// Reads `frame` as whatever it may be; returns how many readers took it.
    private func readers(of frame: Frame) -> Int {
        let taken: [Any?] = [
            try? AgentMessage(frame: frame), try? ControllerMessage(frame: frame), try? GatewayMessage(frame: frame),
            try? GatewayOrder(frame: frame),
        ]
        return taken.count { $0 != nil }
    }

    @Test func `a payload cut at any byte is read or refused, never more`() throws {
        for bytes in Samples.allFrames {
            let frame = try onlyFrame(bytes)
            for end in 0...frame.payload.count {
                let cut = Frame(type: frame.type, payload: Array(frame.payload[..<end]))
                #expect(readers(of: cut) <= 1)
            }
            #expect(readers(of: frame) == 1)
        }
    }

    @Test(arguments: [UInt64.random(in: 0...UInt64.max), 1, 2])
    func `random bytes and flipped bits are read or refused`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let frames = try Samples.allFrames.map { try onlyFrame($0) }
        for round in 0..<3000 {
            var frame = frames[Int.random(in: 0..<frames.count, using: &random)]
            if Bool.random(using: &random) {
                frame.payload = (0..<Int.random(in: 0...80, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random)
                }
            } else if !frame.payload.isEmpty {
                for _ in 0...Int.random(in: 0...3, using: &random) {
                    let at = Int.random(in: 0..<frame.payload.count, using: &random)
                    frame.payload[at] = UInt8.random(in: 0...255, using: &random)
                }
            }
            #expect(readers(of: frame) <= 1, "seed \(seed), round \(round)")
        }
    }

    @Test(arguments: [UInt64.random(in: 0...UInt64.max), 1])
    func `a stream of random bytes gives frames within the limit or an error`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        for round in 0..<500 {
            var decoder = FrameDecoder(maximumFrameBytes: 256)
            var bytes: [UInt8] = (0..<200).map { _ in UInt8.random(in: 0...3, using: &random) }
            bytes[0] = Frame.magic
            bytes[1] = Frame.formatVersion
            bytes[4] = 0
            bytes[5] = 0
            bytes[6] = 0
            decoder.append(contentsOf: bytes)
            do {
                while let frame = try decoder.next() {
                    #expect(frame.payload.count <= 256, "seed \(seed), round \(round)")
                }
            } catch {
                #expect(!error.isSkippable, "seed \(seed), round \(round)")
            }
        }
    }
}
