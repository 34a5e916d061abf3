import FoundationEssentials
import HTTPFraming
import Testing

/// Our strict scanners beside NIOHTTP1's decoder on the same bytes. `FUZZ_SECONDS` (default 10) bounds each direction.
struct DifferentialFuzzTests {
    private static let seconds = ProcessInfo.processInfo.environment["FUZZ_SECONDS"].flatMap(Double.init) ?? 10
    private static let methods = ["GET", "HEAD", "GET", "POST"]

    private static func checkRequests(_ bytes: [UInt8], _ cuts: [Int]) throws -> String? {
        difference(
            ours: StrictReader.read(bytes, cuts: cuts, as: .requests), reference: try ReferenceReader.requests(bytes, cuts: cuts))
    }

    private static func checkResponses(_ bytes: [UInt8], _ cuts: [Int]) throws -> String? {
        difference(
            ours: StrictReader.read(bytes, cuts: cuts, as: .responses(methods)),
            reference: try ReferenceReader.responses(bytes, cuts: cuts, to: methods))
    }

    @Test func `the corpus reads the same, whole and byte by byte`() throws {
        let requests = try Corpus.files("request")
        let responses = try Corpus.files("response")
        #expect(requests.count >= 30)
        #expect(responses.count >= 8)
        for (name, bytes) in requests {
            for cuts in [[], Array(bytes.indices)] { report(try Self.checkRequests(bytes, cuts), name) }
        }
        for (name, bytes) in responses {
            for cuts in [[], Array(bytes.indices)] { report(try Self.checkResponses(bytes, cuts), name) }
        }
    }

    private func report(_ difference: String?, _ name: String) {
        if let difference { Issue.record("\(name): \(difference)") }
    }

    @Test func `no request is read otherwise than by the reference`() throws {
        let seeds = try Corpus.files("request").map(\.bytes)
        try fuzz({ FuzzInput.requests(&$0, seeds: seeds) }, Self.checkRequests)
    }

    @Test func `no response is read otherwise than by the reference`() throws {
        let seeds = try Corpus.files("response").map(\.bytes)
        try fuzz({ FuzzInput.responses(&$0, seeds: seeds) }, Self.checkResponses)
    }

    /// How a piece of text comes in must not change what is read.
    @Test func `cuts change nothing`() throws {
        var random = SeededRandom(seed: 7)
        for _ in 0..<300 {
            let input = FuzzInput.requests(&random, seeds: [])
            let whole = StrictReader.read(input.bytes, cuts: [], as: .requests)
            let cut = StrictReader.read(input.bytes, cuts: Array(input.bytes.indices), as: .requests)
            #expect(whole.complete == cut.complete)
            #expect(whole.refusal == cut.refusal)
        }
    }

    private func fuzz(
        _ make: (inout SeededRandom) -> FuzzInput, _ check: ([UInt8], [Int]) throws -> String?
    ) throws {
        let clock = ContinuousClock()
        let end = clock.now + .seconds(Self.seconds)
        var seed = UInt64.random(in: 0...UInt64.max)
        var rounds = 0
        while clock.now < end {
            var random = SeededRandom(seed: seed)
            let input = make(&random)
            if let difference = try check(input.bytes, input.cuts) {
                Issue.record(
                    "seed \(seed): \(difference)\nbytes: \(String(decoding: input.bytes, as: UTF8.self).debugDescription)\ncuts: \(input.cuts)"
                )
                return
            }
            seed &+= 1
            rounds += 1
        }
        print("fuzz: \(rounds) connections without a difference")
    }
}
