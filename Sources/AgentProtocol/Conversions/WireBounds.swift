/// Why a message that protobuf could read is still refused; becomes `ProtocolError.malformed`.
struct WireProblem: Error {
    var reason: String

    init(_ field: String, _ text: String) { reason = "\(field) \(text)" }
}

/// Bounds every number from a peer is held to, wide for any honest one and narrow enough that arithmetic on them (sums over a
/// fleet, milliseconds to nanoseconds, plus one) cannot overflow.
enum WireBounds {
    /// Counts, sizes in milliseconds and revisions.
    static let count: ClosedRange<Int64> = 0...(1 << 40)
    static let bytes: ClosedRange<Int64> = 0...(1 << 50)
    /// Replica ids, generations, epochs and request ids, handed out one by one.
    static let identifier: ClosedRange<Int64> = 0...(1 << 62)
    static let amount: ClosedRange<Double> = 0...1e12
}

func bounded(_ value: Int64, _ range: ClosedRange<Int64>, _ field: String) throws(WireProblem) -> Int64 {
    guard range.contains(value) else { throw WireProblem(field, "is \(value), outside \(range)") }
    return value
}

func count(_ value: Int64, _ field: String) throws(WireProblem) -> Int { Int(try bounded(value, WireBounds.count, field)) }

func identifier(_ value: Int64, _ field: String) throws(WireProblem) -> Int64 {
    try bounded(value, WireBounds.identifier, field)
}

func amount(_ value: Double, _ field: String) throws(WireProblem) -> Double {
    // Not a number is in no range.
    guard WireBounds.amount.contains(value) else { throw WireProblem(field, "is \(value), outside \(WireBounds.amount)") }
    return value
}
