import Glibc
import SidekickModel

/// Wall clock at the process's start plus the monotonic time since: readable in records, and no jump of the wall clock expires anything.
struct SteadyClock: Sendable {
    private let offset: Int64

    init() { offset = Self.read(CLOCK_REALTIME) - Self.read(CLOCK_MONOTONIC) }

    func now() -> Instant { Instant(nanoseconds: Self.read(CLOCK_MONOTONIC) + offset) }

    private static func read(_ clock: clockid_t) -> Int64 {
        var time = timespec()
        clock_gettime(clock, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}
