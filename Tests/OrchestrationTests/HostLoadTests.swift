import Orchestration
import SidekickModel
import Testing

struct HostLoadTests {
    private static func sample(inflight: Int, arrivals: Int) -> LoadSample {
        var sample = LoadSample(service: "web", seconds: 1)
        sample.inflight = inflight
        sample.averageInflight = Double(inflight)
        sample.arrivals = arrivals
        return sample
    }

    @Test func `one gateway's samples go on as they are`() {
        var load = HostLoad()
        #expect(load.add([Self.sample(inflight: 3, arrivals: 5)], from: 1, newest: 1) == [Self.sample(inflight: 3, arrivals: 5)])
    }

    @Test func `while two gateways serve, their gauges and counts add up and each count counts once`() {
        var load = HostLoad()
        #expect(load.add([Self.sample(inflight: 4, arrivals: 2)], from: 1, newest: 2) == [])
        #expect(load.add([Self.sample(inflight: 4, arrivals: 3)], from: 1, newest: 2) == [])
        #expect(
            load.add([Self.sample(inflight: 1, arrivals: 1)], from: 2, newest: 2) == [Self.sample(inflight: 5, arrivals: 6)])
        #expect(
            load.add([Self.sample(inflight: 1, arrivals: 1)], from: 2, newest: 2) == [Self.sample(inflight: 5, arrivals: 1)])
        load.remove(1)
        #expect(
            load.add([Self.sample(inflight: 1, arrivals: 1)], from: 2, newest: 2) == [Self.sample(inflight: 1, arrivals: 1)])
    }
}
