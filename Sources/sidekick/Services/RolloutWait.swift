import ControlAPI
import SidekickModel

/// Follows a service's newest rollout to its end, printing each change.
struct RolloutWait {
    let client: ControlClient
    let service: String
    let timeout: Milliseconds

    /// - Throws: `CommandFailure.deadline`, or `.failed` when the rollout did not succeed.
    func finish() async throws {
        let start = ContinuousClock.now
        var shown = ""
        while true {
            let status = try await client.service(service)
            guard let rollout = status.rollout else { return }
            let line = Self.line(status, rollout)
            if line != shown {
                StandardOutput.line(line)
                shown = line
            }
            switch rollout.phase {
            case .succeeded: return
            case .rolledBack, .paused, .superseded:
                throw CommandFailure(
                    .failed, "rollout of \(service) to revision \(rollout.to) \(rollout.phase.rawValue): \(rollout.reason)")
            case .progressing, .rollingBack: break
            }
            if ContinuousClock.now - start > .milliseconds(timeout.count) {
                throw CommandFailure(
                    .deadline,
                    "rollout of \(service) is still \(rollout.phase.rawValue) after \(timeout); it goes on: sidekick rollout status \(service)"
                )
            }
            try await Task.sleep(for: .milliseconds(200))
        }
    }

    static func line(_ status: ServiceStatus, _ rollout: RolloutRecord) -> String {
        let new = status.replicas.filter { $0.record.revision == rollout.to && $0.observed?.ready == true }.count
        let old = status.replicas.filter { $0.record.revision != rollout.to && $0.observed?.ready == true }.count
        let from = rollout.from.map { "\($0)" } ?? "none"
        let share = rollout.canary.map { ", canary step \($0.step + 1): \($0.percent)% of requests to \(rollout.to)" } ?? ""
        return
            "\(rollout.service): rollout \(from) → \(rollout.to) \(rollout.phase.rawValue)\(share), \(new) new and \(old) old online: "
            + rollout.reason
    }
}
