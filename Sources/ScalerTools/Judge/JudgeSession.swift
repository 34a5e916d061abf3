import Orchestration
import SidekickModel

/// The autoscaler judge's protocol (JSON lines), driving the production scaler: one line in, at most one line out.
package struct JudgeSession {
    private var configuration: ScalerConfiguration?
    private var scaler: Autoscaler?

    /// An admission limit above this is no statement of what a replica serves at full speed; that is then learnt.
    private static let highestStatement = 32

    package init() {}

    /// The answer to one line; nil when the line asks for none. An unreadable line is answered with `{"error": …}`.
    package mutating func answer(to line: some StringProtocol) -> String? {
        let fields = FlatJSON(line)
        switch fields.text("type") {
        case "hello": return hello(fields)
        case "tick": return tick(fields)
        case "end": return nil
        default: return #"{"error":"expected a line of type hello, tick or end"}"#
        }
    }

    private mutating func hello(_ fields: FlatJSON) -> String {
        var spec = ServiceSpec(service: "judged", image: "judged")
        spec.replicas.max = fields.whole("max_replicas") ?? spec.replicas.max
        spec.scale.concurrency = fields.whole("conc").flatMap { $0 > Self.highestStatement ? nil : $0 }
        var configuration = ScalerConfiguration(
            spec: spec, coldStart: fields.number("cold") ?? 5, wake: fields.number("wake") ?? 0.005)
        configuration.wait = fields.number("slo") ?? configuration.wait
        let online = fields.whole("init") ?? 0
        self.configuration = configuration
        scaler = Autoscaler(configuration: configuration, online: online, standby: max(1, online))
        return #"{"tick":1,"wake":"queue","min_gap":0.01,"standby":\#(max(1, online)),"per_second":false}"#
    }

    private mutating func tick(_ fields: FlatJSON) -> String {
        guard let configuration, scaler != nil, let time = fields.number("t") else { return #"{"error":"tick before hello"}"# }
        var load = LoadSample(service: "judged", seconds: fields.number("dt") ?? 0)
        load.inflight = fields.whole("inflight") ?? 0
        load.busy = fields.whole("busy") ?? 0
        load.queue = fields.whole("queue") ?? 0
        load.oldestWait = fields.number("oldest_wait") ?? 0
        load.averageInflight = fields.number("avg_inflight") ?? 0
        load.averageBusy = fields.number("avg_busy") ?? 0
        load.busyTime = fields.number("busy_time") ?? 0
        load.peakInflight = fields.whole("peak_inflight") ?? 0
        load.arrivals = fields.whole("arrivals") ?? 0
        load.completions = fields.whole("completions") ?? 0
        let observation = ScalerObservation(
            load: load, ready: fields.whole("ready") ?? 0, starting: fields.whole("starting") ?? 0,
            standby: fields.whole("standby") ?? 0, standbyStarting: fields.whole("standby_starting") ?? 0)
        guard
            let decision = scaler?.step(
                observation, configuration: configuration, now: Instant(nanoseconds: Int64(time * 1e9)))
        else { return #"{"error":"no scaler"}"# }
        return #"{"desired":\#(decision.online),"standby":\#(decision.standby),"next":\#(decision.next),"reason":""#
            + decision.reason + #""}"#
    }
}
