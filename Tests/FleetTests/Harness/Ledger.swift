import LoadGenerator
import SidekickModel
import Testing

extension StandaloneHost {
    /// A load on the gateway while `body` runs: constant `rate` for `seconds`, every request in the ledger.
    func underLoad<Value: Sendable>(
        rate: Double, seconds: Int64, _ body: @Sendable @escaping () async throws -> Value
    ) async throws -> (report: LoadReport, value: Value) {
        var plan = try LoadPlan(url: url + "/")
        plan.phases = [LoadPhase(name: "load", rate: rate, duration: .seconds(seconds))]
        plan.keepsRecords = true
        let (starts, started) = AsyncStream.makeStream(of: Void.self)
        let run = LoadRun(plan) { if $0.answered > 0 { started.yield() } }
        async let report = run.run()
        // The body begins when requests are being answered.
        for await _ in starts { break }
        let value = try await body()
        return (try await report, value)
    }
}

/// Every request sent was answered in full.
func expectNoneFailed(_ report: LoadReport, _ location: SourceLocation = #_sourceLocation) {
    #expect(report.total.failed == 0, "\(report.failures.prefix(10))", sourceLocation: location)
    #expect(report.total.answered == report.total.sent, sourceLocation: location)
    #expect(report.total.sent > 0, sourceLocation: location)
}
