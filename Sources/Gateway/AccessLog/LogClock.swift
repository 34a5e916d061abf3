/// Writes moments as logs have them, in UTC. The text of the second is kept, as most lines share it with the line before.
struct LogClock {
    private static let months: StaticString = "JanFebMarAprMayJunJulAugSepOctNovDec"

    private var second = Int64.min
    private var iso = LogText(capacity: 24)
    private var combined = LogText(capacity: 32)

    /// `2026-01-31T12:34:56.789Z`.
    mutating func appendISO(_ nanoseconds: Int64, to text: inout LogText) {
        turn(to: nanoseconds)
        text.append(iso.bytes)
        text.append(".")
        text.appendDigits(UInt64(max(0, nanoseconds)) % 1_000_000_000 / 1_000_000, atLeast: 3)
        text.append("Z")
    }

    /// `31/Jan/2026:12:34:56 +0000`.
    mutating func appendCombined(_ nanoseconds: Int64, to text: inout LogText) {
        turn(to: nanoseconds)
        text.append(combined.bytes)
    }

    private mutating func turn(to nanoseconds: Int64) {
        let new = max(0, nanoseconds) / 1_000_000_000
        guard new != second else { return }
        second = new
        let (year, month, day) = Self.civil(days: new / 86400)
        let rest = new % 86400
        let time = (rest / 3600, rest / 60 % 60, rest % 60)
        iso.clear()
        combined.clear()
        iso.appendDigits(UInt64(year), atLeast: 4)
        iso.append("-")
        iso.appendDigits(UInt64(month), atLeast: 2)
        iso.append("-")
        iso.appendDigits(UInt64(day), atLeast: 2)
        iso.append("T")
        combined.appendDigits(UInt64(day), atLeast: 2)
        combined.append("/")
        combined.append(UnsafeBufferPointer(start: Self.months.utf8Start + Int(month - 1) * 3, count: 3))
        combined.append("/")
        combined.appendDigits(UInt64(year), atLeast: 4)
        combined.append(":")
        for (index, part) in [time.0, time.1, time.2].enumerated() {
            if index > 0 {
                iso.append(":")
                combined.append(":")
            }
            iso.appendDigits(UInt64(part), atLeast: 2)
            combined.appendDigits(UInt64(part), atLeast: 2)
        }
        combined.append(" +0000")
    }

    /// Year, month and day of a day counted from 1970-01-01 (Howard Hinnant's `civil_from_days`: years begin in March, so that the leap
    /// day is the last of one, and 400 years are one era of 146,097 days).
    static func civil(days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let shifted = days + 719_468
        let era = shifted / 146_097
        let dayOfEra = shifted % 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day)
    }
}
