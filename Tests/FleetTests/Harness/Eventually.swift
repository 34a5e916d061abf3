import Foundation

/// Waits until the real processes under test reach a state; what they do cannot be awaited from outside in any other way.
/// - Throws: `HarnessError` naming what did not happen, with the last thing seen.
func eventually<Value>(
    _ what: String, within seconds: Double = 30, every milliseconds: Int = 20, _ look: () async throws -> Value,
    until holds: (Value) -> Bool
) async throws -> Value {
    let start = ContinuousClock.now
    while true {
        let value = try await look()
        if holds(value) { return value }
        guard ContinuousClock.now - start < .seconds(seconds) else {
            throw HarnessError("not within \(seconds) s: \(what); last seen: \(value)")
        }
        try await Task.sleep(for: .milliseconds(milliseconds))
    }
}
