import ArgumentParser
import Glibc
import SidekickModel

/// A moment in the past on the command line: a local time of day, or how long ago.
struct TimeArgument: ExpressibleByArgument {
    private enum Form {
        /// Seconds since midnight.
        case timeOfDay(Int)
        case ago(Milliseconds)
    }

    private let form: Form

    init?(argument: String) {
        let parts = argument.split(separator: ":", omittingEmptySubsequences: false).map { Int($0) }
        if parts.count == 2 || parts.count == 3 {
            guard let hour = parts[0], let minute = parts[1], let second = parts.count == 3 ? parts[2] : 59,
                (0...23).contains(hour),
                (0...59).contains(minute), (0...60).contains(second)
            else { return nil }
            form = .timeOfDay(hour * 3600 + minute * 60 + second)
        } else if let ago = Milliseconds(text: argument) {
            form = .ago(ago)
        } else {
            return nil
        }
    }

    /// The latest such moment that is not after `now`.
    func instant(now: Instant) -> Instant {
        switch form {
        case .ago(let ago): return now - ago
        case .timeOfDay(let wanted):
            var seconds = time_t(now.nanoseconds / 1_000_000_000)
            var parts = tm()
            localtime_r(&seconds, &parts)
            let today = Int(parts.tm_hour) * 3600 + Int(parts.tm_min) * 60 + Int(parts.tm_sec)
            let back = wanted <= today ? today - wanted : today + 86_400 - wanted
            // To the end of that second.
            return Instant(nanoseconds: Int64(seconds - back) * 1_000_000_000 + 999_999_999)
        }
    }
}
