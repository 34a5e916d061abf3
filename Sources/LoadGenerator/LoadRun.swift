import EventLoop

/// One run of a plan.
///
///     var plan = try LoadPlan(url: "http://127.0.0.1:8080/")
///     plan.phases = [LoadPhase(name: "steady", rate: 200, duration: .seconds(10))]
///     let report = try await LoadRun(plan).run()
///
/// A phase of 1000 requests a second for 1 ms is a single request.
package struct LoadRun: Sendable {
    private let plan: LoadPlan
    private let onSecond: (@Sendable (LoadSecond) -> Void)?

    /// - Parameter onSecond: called once a second on the load's own thread, so it must not block.
    package init(_ plan: LoadPlan, onSecond: (@Sendable (LoadSecond) -> Void)? = nil) {
        self.plan = plan
        self.onSecond = onSecond
    }

    /// Returns when every request that came due has its outcome. Cancelling the task stops sending; requests that are open
    /// still get theirs.
    package func run() async throws(LoadError) -> LoadReport {
        guard !plan.phases.isEmpty else { throw LoadError("cannot run a load without phases") }
        guard plan.maximumConnections > 0 else { throw LoadError("cannot run a load without connections") }
        let parts = try plan.requestParts()
        let ledger: LedgerFile? = if let path = plan.ledgerPath { try LedgerFile(path: path) } else { nil }
        let thread: LoopThread
        do {
            thread = try LoopThread(name: "load")
        } catch {
            throw LoadError("\(error)")
        }
        let (reports, end) = AsyncStream.makeStream(of: LoadReport.self)
        let engine = LoadEngine(plan, parts: parts, loop: thread.loop, ledger: ledger, onSecond: onSecond) { report in
            end.yield(report)
            end.finish()
        }
        engine.start()
        let report = await withTaskCancellationHandler {
            // Cancelling would end an iteration of the stream at once; the report is awaited whatever happens.
            await Task { await reports.first { _ in true } }.value
        } onCancel: {
            engine.stop()
        }
        await thread.stop()
        try await ledger?.finish()
        guard let report else { throw LoadError("the load ended without a report") }
        return report
    }
}
