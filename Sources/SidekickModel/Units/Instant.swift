/// A moment, in nanoseconds of some clock the caller chose: monotonic for anything that measures or expires, wall clock
/// (since 1970) for anything shown to people or kept across restarts. Pure code gets it as a parameter.
package struct Instant: Hashable, Comparable, Sendable, Codable {
    package var nanoseconds: Int64

    package init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }
    package static let zero = Instant(nanoseconds: 0)

    package static func < (a: Instant, b: Instant) -> Bool { a.nanoseconds < b.nanoseconds }
    package static func + (a: Instant, b: Milliseconds) -> Instant { Instant(nanoseconds: a.nanoseconds + b.nanoseconds) }
    package static func - (a: Instant, b: Milliseconds) -> Instant { Instant(nanoseconds: a.nanoseconds - b.nanoseconds) }
    /// Seconds from `b` to `a`, negative when `b` is later.
    package static func - (a: Instant, b: Instant) -> Double { Double(a.nanoseconds - b.nanoseconds) / 1e9 }

    package init(from decoder: any Decoder) throws {
        nanoseconds = try decoder.singleValueContainer().decode(Int64.self)
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(nanoseconds)
    }
}
