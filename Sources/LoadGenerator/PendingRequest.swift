/// A request between coming due and its record.
struct PendingRequest {
    var number: Int
    var phase: Int
    /// Nanoseconds since the run began.
    var intended: Int64
    var sent: Int64?
    var connection: Int?
}
