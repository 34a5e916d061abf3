import SidekickModel

/// Learns how many requests one replica serves at once before they slow each other down, where no limit is declared.
///
/// Beyond its capacity k a replica takes j / k times as long for each of j requests; so requests in flight times unhindered service time
/// over observed service time is what it really serves at once. The estimate falls to that when service slows, and creeps up while
/// replicas are well used and do not slow.
struct CapacityMemory: Sendable, Codable, Hashable {
    /// What is assumed until something was learnt: little, since a service that was never seen unhindered cannot be seen to slow.
    static let assumed = 3.0
    static let most = 1000.0
    /// Completions that make a mean worth comparing, and seconds after which fewer must do.
    private static let completionsWanted = 200
    private static let patience = 60.0

    /// Requests at once per replica.
    private(set) var estimate = CapacityMemory.assumed
    /// Mean service time in seconds of replicas that were not pressed; 0 until known.
    private(set) var unhindered = 0.0
    private var busy = 0.0
    private var completions = 0
    private var readySeconds = 0.0
    private var seconds = 0.0
    /// Whether a slowdown was ever seen; until then the estimate grows fast.
    private var sawSlowdown = false

    var whole: Int { max(1, Int(estimate)) }

    mutating func take(_ load: LoadSample, ready: Int) {
        busy += load.busyTime
        completions += load.completions
        readySeconds += Double(ready) * load.seconds
        seconds += load.seconds
        guard completions >= Self.completionsWanted || (seconds >= Self.patience && completions >= 10) else {
            if seconds > 10 * Self.patience { forget() }
            return
        }
        if readySeconds > 0 { learn(service: busy / Double(completions), each: busy / readySeconds) }
        forget()
    }

    private mutating func forget() { (busy, completions, readySeconds, seconds) = (0, 0, 0, 0) }

    /// - Parameters:
    ///   - service: mean service time in seconds.
    ///   - each: requests at once per ready replica, on average.
    private mutating func learn(service: Double, each: Double) {
        // Service times scatter about as much as they are long, so a mean of n is off by 1 / sqrt(n) of itself.
        let scatter = 1 / Double(completions).squareRoot()
        if unhindered == 0 || service < unhindered * (1 - 4 * scatter) {
            unhindered = service
        } else if service < unhindered * (1 - 2 * scatter) {
            unhindered += (service - unhindered) / 4
        } else if each < estimate / 2, service < unhindered * (1 + 2 * scatter) {
            unhindered += (service - unhindered) / 20
        }
        // What is hardly used shows nothing of its capacity.
        guard each > estimate * 0.3 else { return }
        let slowdown = service / unhindered
        if slowdown > 1.05 + 2 * scatter {
            estimate = max(1, min(estimate, max(each / slowdown, estimate * 0.7)))
            sawSlowdown = true
        } else if slowdown < 1.05 + scatter {
            estimate = min(Self.most, estimate * (sawSlowdown ? 1.03 : 1.2))
        }
    }
}
