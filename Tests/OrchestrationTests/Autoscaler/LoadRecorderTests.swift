import Orchestration
import SidekickModel
import Testing

struct LoadRecorderTests {
    private func sample(arrivals: Int, peak: Int) -> LoadSample {
        var sample = LoadSample(service: "web", seconds: 1)
        sample.arrivals = arrivals
        sample.completions = arrivals
        sample.busyTime = Double(arrivals) / 10
        sample.peakInflight = peak
        return sample
    }

    @Test func `ten seconds of samples become one record`() throws {
        var recorder = LoadRecorder()
        var records: [LoadRecord] = []
        for second in 1...25 {
            let now = Instant(nanoseconds: Int64(second) * 1_000_000_000)
            recorder.add(sample(arrivals: 5, peak: second), now: now)
            if let record = recorder.take(now: now) { records.append(record) }
        }
        #expect(records.map(\.requests) == [50, 50])
        #expect(records.map(\.seconds) == [10, 10])
        #expect(records.map(\.peakInflight) == [10, 20])
        #expect(records.map(\.at.nanoseconds) == [0, 10_000_000_000])
        #expect(recorder.open?.requests == 25)
    }

    @Test func `seconds without a request are not kept`() {
        var recorder = LoadRecorder()
        for second in 1...60 {
            let now = Instant(nanoseconds: Int64(second) * 1_000_000_000)
            recorder.add(sample(arrivals: 0, peak: 0), now: now)
            #expect(recorder.take(now: now) == nil)
        }
    }
}
