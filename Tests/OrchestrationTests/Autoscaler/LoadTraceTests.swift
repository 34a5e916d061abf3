import ScalerTools
import SidekickModel
import Testing

struct LoadTraceTests {
    @Test func `rates hold until the next line`() throws {
        let trace = try LoadTrace(csv: "seconds,requests_per_second\n0,10\n60,20\n\n90,0\r\n", file: "t.csv")
        #expect(trace.steps.map(\.at) == [0, 60, 90])
        #expect(trace.steps.map(\.seconds) == [60, 30, 30])
        #expect(trace.requests == 1200)
    }

    @Test func `counts are of bins as long as the smallest distance, and missing bins are empty`() throws {
        let trace = try LoadTrace(csv: "second,requests\n300,30\n600,60\n1500,3\n", file: "t.csv")
        #expect(trace.steps.map(\.at) == [0, 300, 1200])
        #expect(trace.steps.map(\.seconds) == [300, 300, 300])
        #expect(abs(trace.requests - 93) < 1e-9)
    }

    @Test(arguments: [
        ("", "t.csv:1: is empty"), ("time,load\n1,2\n", "t.csv:1: unknown header"), ("second,requests\n", "has no line of data"),
        ("second,requests\n0,1\n0,2\n", "t.csv:3: time 0 does not come after 0 in line 2"),
        ("second,requests\n0,1\n5\n", "t.csv:3: two numbers expected"),
        ("second,requests\n0,x\n", "t.csv:2: ‘x’ is not a number"),
        ("second,requests\n0,-1\n", "t.csv:2: ‘-1’"), ("second,requests\n-1,1\n", "t.csv:2: ‘-1’ is not a time"),
        ("second,requests\n0,nan\n", "t.csv:2"), ("second,requests\n0,1e30\n", "too long"),
    ])
    func `what is wrong is named with file and line`(text: String, message: String) {
        #expect {
            try LoadTrace(csv: text, file: "t.csv")
        } throws: {
            "\($0)".contains(message)
        }
    }

    @Test func `the same seed gives the same requests, at the trace's rate`() {
        let trace = LoadTrace(steps: [
            .init(at: 0, seconds: 100, requestsPerSecond: 50), .init(at: 200, seconds: 100, requestsPerSecond: 5),
        ])
        let one = RequestStream(trace, service: 0.1, variation: 1, seed: 4)
        #expect(one.arrivals == RequestStream(trace, service: 0.1, variation: 1, seed: 4).arrivals)
        #expect(one.arrivals != RequestStream(trace, service: 0.1, variation: 1, seed: 5).arrivals)
        #expect((5000...6000).contains(one.arrivals.count))
        #expect(!one.arrivals.contains { (100..<200).contains($0) })
        let mean = one.serviceTimes.reduce(0, +) / Double(one.serviceTimes.count)
        #expect((0.09...0.11).contains(mean))
    }
}
