import LinuxShims
import SidekickModel

/// Wall clock at the process's start plus the monotonic time since: readable in records, and no jump of the wall clock expires anything.
struct SteadyClock: Sendable {
    private let offset: Int64

    init() { offset = sk_wall_nanoseconds() - sk_monotonic_nanoseconds() }

    func now() -> Instant { Instant(nanoseconds: sk_monotonic_nanoseconds() + offset) }
}
