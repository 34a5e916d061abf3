package import SidekickModel

/// One stretch of a load: the rate goes in a straight line from `startRate` to `endRate`.
package struct LoadPhase: Hashable, Sendable, Codable {
    package var name: String
    /// Requests a second, at least 0.
    package var startRate: Double
    package var endRate: Double
    package var duration: Milliseconds

    package init(name: String, startRate: Double, endRate: Double, duration: Milliseconds) {
        self.name = name
        self.startRate = startRate
        self.endRate = endRate
        self.duration = duration
    }

    /// A phase of constant rate.
    package init(name: String, rate: Double, duration: Milliseconds) {
        self.init(name: name, startRate: rate, endRate: rate, duration: duration)
    }

    /// Reads `NAME:RATE:DURATION` or `NAME:RATE-RATE:DURATION`, such as `rise:0-800:15s`; nil for anything else.
    package init?(text: String) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 3, !parts[0].isEmpty, let duration = Milliseconds(text: String(parts[2])) else { return nil }
        let rates = parts[1].split(separator: "-", omittingEmptySubsequences: false).map { Double($0) }
        guard (1...2).contains(rates.count), let first = rates[0], let last = rates[rates.count - 1] else { return nil }
        guard first >= 0, last >= 0, first <= Self.highestRate, last <= Self.highestRate else { return nil }
        guard duration.count <= Self.longest.count else { return nil }
        self.init(name: String(parts[0]), startRate: first, endRate: last, duration: duration)
    }

    /// Beyond what one thread can send; keeps a mistyped rate from eating the machine.
    private static let highestRate = 1_000_000.0
    private static let longest = Milliseconds.seconds(7 * 86400)

    /// Requests due within the phase, as a real number.
    var volume: Double { (startRate + endRate) / 2 * seconds }
    var seconds: Double { Double(duration.count) / 1000 }
}
