import Glibc
import LinuxShims
import SidekickModel

enum WallClock {
    static var now: Instant { Instant(nanoseconds: sk_wall_nanoseconds()) }

    /// `14:03:22`, the local time of day.
    static func timeOfDay(_ instant: Instant) -> String {
        var seconds = time_t(instant.nanoseconds / 1_000_000_000)
        var parts = tm()
        localtime_r(&seconds, &parts)
        return [parts.tm_hour, parts.tm_min, parts.tm_sec].map { $0 < 10 ? "0\($0)" : "\($0)" }.joined(separator: ":")
    }
}

extension Instant {
    /// How long ago, coarse: `12s`, `5m`, `3h`, `9d`.
    func age(at now: Instant) -> String {
        let seconds = max(0, Int(now - self))
        return switch seconds {
        case ..<120: "\(seconds)s"
        case ..<7200: "\(seconds / 60)m"
        case ..<172_800: "\(seconds / 3600)h"
        default: "\(seconds / 86400)d"
        }
    }
}

extension Double {
    /// With so many digits after the point.
    func fixed(_ digits: Int) -> String {
        var scale = 1.0
        for _ in 0..<digits { scale *= 10 }
        let value = Int64((magnitude * scale).rounded())
        let sign = self < 0 && value != 0 ? "-" : ""
        if digits == 0 { return "\(sign)\(value)" }
        let fraction = String(value % Int64(scale))
        return "\(sign)\(value / Int64(scale)).\(String(repeating: "0", count: digits - fraction.count))\(fraction)"
    }
}
