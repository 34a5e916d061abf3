package import SidekickModel

/// What a scaling policy answers when it is asked.
package struct PolicyAnswer {
    package var online: Int
    package var standby: Int
    /// Seconds until it is asked again at the latest.
    package var next: Double
    package var reason: String

    package init(online: Int, standby: Int = 0, next: Double, reason: String = "") {
        self.online = online
        self.standby = standby
        self.next = next
        self.reason = reason
    }
}

/// When a policy is asked at once.
package enum PolicyWake {
    case never
    /// A request has to wait.
    case onQueue
    /// A request waits and there is no replica.
    case atZero
}

/// Something that scales the simulated service: the production scaler or a baseline.
package protocol ScalingPolicy {
    var name: String { get }
    /// Seconds until it is asked first.
    var firstAfter: Double { get }
    /// When it is asked out of turn.
    var wakes: PolicyWake { get }
    var startsWith: (online: Int, standby: Int) { get }
    mutating func decide(_ observation: ScalerInput, at time: Double) -> PolicyAnswer
}

/// What a policy is shown.
package struct ScalerInput {
    package var load: LoadSample
    package var ready: Int
    package var starting: Int
    package var standby: Int
    package var standbyStarting: Int
}

/// The simulated service: what its requests meet.
package struct SimulatedService {
    /// Requests one replica admits at once.
    package var slots: Int
    /// Requests one replica serves at full speed; beyond, each slows down in proportion.
    package var cores: Int
    package var coldStart: Double
    package var wake: Double
    /// Seconds of excess delay beyond which a request counts as violated.
    package var wait: Double
    package var maximum: Int

    package init(slots: Int, cores: Int? = nil, coldStart: Double = 5, wake: Double = 0.005, wait: Double, maximum: Int) {
        self.slots = slots
        self.cores = cores ?? slots
        self.coldStart = coldStart
        self.wake = wake
        self.wait = wait
        self.maximum = maximum
    }
}

/// One service behind one queue, request by request, scaled by a policy: a port of the independent judge's model (`sim.py`), so
/// that what `simulate` prints is what the judge measures.
///
/// A new replica takes `coldStart`, a standby `wake`; both are charged as online from the order on. A standby is charged apart. Scaling
/// down takes starting replicas first, then idle ones; busy ones drain, charged, and take no new work.
package struct ServiceSimulation {
    package struct Result {
        package var requests = 0
        package var violations = 0
        package var onlineSeconds = 0.0
        package var standbySeconds = 0.0
        package var raised = 0
        package var lowered = 0
        package var coldStarts = 0
        package var wakes = 0
        package var peak = 0
        package var maximumWait = 0.0
        /// Waits longer than zero, in order of their ends.
        package var waits: [Float] = []
        /// The policy's changes: time, online, standby.
        package var changes: [(time: Double, online: Int, standby: Int, reason: String)] = []
        package var actions: Int { raised + lowered }
    }

    private let service: SimulatedService
    private let arrivals: [Double]
    private let serviceTimes: [Double]
    private let horizon: Double
    private let recordsChanges: Bool

    private var completions = MinHeap()
    private var queue: [Double] = []
    private var queueHead = 0
    private var nextArrival = 0
    private var nextService = 0
    private var inflight = 0
    private var ready = 0
    private var standby = 0
    private var standbyTarget = 0
    private var starting: [(time: Double, fromStandby: Bool)] = []
    private var standbyStarting = MinHeap()
    private var last = 0.0
    private var area = 0.0
    private var busyArea = 0.0
    private var costed = 0.0
    private var peakInflight = 0
    private var completed = 0
    private var result = Result()

    package init(
        _ service: SimulatedService, arrivals: [Double], serviceTimes: [Double], horizon: Double, recordsChanges: Bool = false
    ) {
        self.service = service
        self.arrivals = arrivals
        self.serviceTimes = serviceTimes
        self.horizon = horizon
        self.recordsChanges = recordsChanges
    }

    private var waiting: Int { queue.count - queueHead }
    private var room: Int { ready * service.slots }

    package mutating func run(_ policy: inout some ScalingPolicy) -> Result {
        (ready, standby) = policy.startsWith
        standbyTarget = standby
        result.peak = ready
        if recordsChanges { result.changes.append((0, ready, standby, "what the first minute asks for")) }
        var nextCall = policy.firstAfter
        var lastCall = -Double.infinity
        var before = (area: 0.0, busy: 0.0, arrivals: 0, completed: 0)
        let gap = 0.01
        while true {
            var until = min(nextCall, starting.first?.time ?? .infinity, standbyStarting.first, horizon)
            serve(until: &until, nextCall: &nextCall, policy.wakes, wakeAfter: lastCall + gap)
            advance(to: until)
            if until >= horizon { break }
            var changed = false
            while let one = starting.first, one.time <= until {
                charge(until)
                starting.removeFirst()
                ready += 1
                changed = true
            }
            while standbyStarting.first <= until {
                charge(until)
                standbyStarting.pop()
                standby += 1
            }
            if until >= nextCall {
                let seconds = lastCall >= 0 ? until - lastCall : until
                let answer = policy.decide(
                    input(at: until, seconds: seconds, before: before), at: until)
                before = (area, busyArea, nextArrival, completed)
                peakInflight = inflight
                lastCall = until
                nextCall = until + max(answer.next, gap)
                apply(answer, at: until)
                changed = true
            }
            if changed { startQueued(at: until) }
        }
        return finished()
    }

    private mutating func serve(until: inout Double, nextCall: inout Double, _ wakes: PolicyWake, wakeAfter: Double) {
        while true {
            let arrival = nextArrival < arrivals.count ? arrivals[nextArrival] : .infinity
            if completions.first <= arrival && completions.first <= until {
                let time = completions.pop()
                advance(to: time)
                inflight -= 1
                completed += 1
                if waiting > 0 && completions.count < room { startOne(at: time) }
            } else if arrival <= until {
                advance(to: arrival)
                inflight += 1
                nextArrival += 1
                peakInflight = max(peakInflight, inflight)
                queue.append(arrival)
                if completions.count < room && waiting == 1 {
                    startOne(at: arrival)
                } else if wakes == .onQueue || (wakes == .atZero && ready == 0 && starting.isEmpty) {
                    let wake = max(arrival, wakeAfter)
                    if wake < nextCall {
                        nextCall = wake
                        until = min(until, wake)
                    }
                }
            } else {
                return
            }
        }
    }

    private mutating func advance(to time: Double) {
        area += Double(inflight) * (time - last)
        busyArea += Double(inflight - waiting) * (time - last)
        last = time
    }

    private mutating func startOne(at time: Double) {
        let wait = time - queue[queueHead]
        queueHead += 1
        if queueHead > 4096 && queueHead * 2 > queue.count {
            queue.removeFirst(queueHead)
            queueHead = 0
        }
        let base = serviceTimes[nextService]
        nextService += 1
        var time2 = base
        if service.cores < service.slots {
            let share = ready > 0 ? Double(completions.count + 1) / Double(ready) : Double(service.slots)
            if share > Double(service.cores) { time2 = base * share / Double(service.cores) }
        }
        completions.push(time + time2)
        if wait > 0 {
            result.waits.append(Float(wait))
            result.maximumWait = max(result.maximumWait, wait)
        }
        if wait + time2 - base > service.wait { result.violations += 1 }
    }

    private mutating func startQueued(at time: Double) {
        while waiting > 0 && completions.count < room { startOne(at: time) }
    }

    private mutating func charge(_ time: Double) {
        guard time > costed else { return }
        let draining = max(0, (completions.count + service.slots - 1) / service.slots - ready)
        result.onlineSeconds += (time - costed) * Double(ready + starting.count + draining)
        result.standbySeconds += (time - costed) * Double(standby + standbyStarting.count)
        costed = time
    }

    private func input(
        at time: Double, seconds: Double, before: (area: Double, busy: Double, arrivals: Int, completed: Int)
    ) -> ScalerInput {
        var load = LoadSample(service: "simulated", seconds: seconds)
        load.inflight = inflight
        load.busy = completions.count
        load.queue = waiting
        load.oldestWait = waiting > 0 ? time - queue[queueHead] : 0
        load.averageInflight = seconds > 0 ? (area - before.area) / seconds : Double(inflight)
        load.averageBusy = seconds > 0 ? (busyArea - before.busy) / seconds : Double(completions.count)
        load.busyTime = busyArea - before.busy
        load.peakInflight = max(peakInflight, inflight)
        load.arrivals = nextArrival - before.arrivals
        load.completions = completed - before.completed
        return ScalerInput(
            load: load, ready: ready, starting: starting.count, standby: standby, standbyStarting: standbyStarting.count)
    }

    private mutating func apply(_ answer: PolicyAnswer, at time: Double) {
        let wanted = max(0, min(answer.online, service.maximum))
        let current = ready + starting.count
        charge(time)
        if wanted > current {
            raise(by: wanted - current, at: time)
        } else if wanted < current {
            lower(by: current - wanted, standby: answer.standby)
        }
        if recordsChanges && (wanted != current || answer.standby != standbyTarget) {
            result.changes.append((time, wanted, answer.standby, answer.reason))
        }
        standbyTarget = answer.standby
        let total = standby + standbyStarting.count
        if total < standbyTarget {
            for _ in total..<standbyTarget { standbyStarting.push(time + service.coldStart) }
        } else {
            var surplus = total - standbyTarget
            while surplus > 0 && !standbyStarting.isEmpty {
                standbyStarting.removeLatest()
                surplus -= 1
            }
            standby -= min(surplus, standby)
        }
        result.peak = max(result.peak, ready + starting.count)
    }

    private mutating func raise(by count: Int, at time: Double) {
        result.raised += 1
        let woken = min(count, standby)
        standby -= woken
        result.wakes += woken
        result.coldStarts += count - woken
        for _ in 0..<woken { starting.append((time + service.wake, true)) }
        for _ in 0..<(count - woken) { starting.append((time + service.coldStart, false)) }
        starting.sort { $0.time < $1.time }
    }

    private mutating func lower(by count: Int, standby target: Int) {
        result.lowered += 1
        var count = count
        while count > 0, let newest = starting.popLast() {
            count -= 1
            if newest.fromStandby && standby < target { standby += 1 }
        }
        let released = min(count, ready)
        ready -= released
        standby += min(released, max(0, target - standby - standbyStarting.count))
    }

    private mutating func finished() -> Result {
        for arrival in queue[queueHead...] {
            let wait = horizon - arrival
            result.waits.append(Float(wait))
            result.maximumWait = max(result.maximumWait, wait)
            if wait > service.wait { result.violations += 1 }
        }
        charge(horizon)
        result.requests = arrivals.count
        return result
    }
}
