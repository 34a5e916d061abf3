/// One move of a service from one revision to another. Durable, so that a restarted controller resumes it.
package struct RolloutRecord: Hashable, Sendable, Codable {
    package enum Phase: String, Hashable, Sendable, Codable, CaseIterable {
        /// Replacing replicas of `from` by replicas of `to`.
        case progressing
        /// Stopped by an operator, or by failure with `onFailure: pause`, until resumed or undone.
        case paused
        /// Replacing replicas of `to` by replicas of `from` again, because `to` failed.
        case rollingBack
        /// `to` serves alone.
        case succeeded
        /// `from` serves alone again.
        case rolledBack
        /// A newer rollout took over.
        case superseded

        package var isFinished: Bool {
            switch self {
            case .progressing, .paused, .rollingBack: false
            case .succeeded, .rolledBack, .superseded: true
            }
        }
    }

    /// How far a rollout by canary steps has come.
    package struct Canary: Hashable, Sendable, Codable {
        /// Index into the policy's `canary`.
        package var step: Int
        /// Percent of requests replicas of `to` get now; 0 until the first step's replicas are ready.
        package var percent: Int
        /// Since when `percent` is the step's own and its replicas have been ready without a break; nil while they are not. Wall clock.
        package var since: Instant?

        package init(step: Int, percent: Int, since: Instant? = nil) {
            self.step = step
            self.percent = percent
            self.since = since
        }
    }

    /// Handed out by the store, rising.
    package var id: Int64
    package var service: String
    /// nil for a service's first revision, which has nothing to return to.
    package var from: Int?
    package var to: Int
    package var phase: Phase
    /// Why it is in this phase, as a sentence for the operator.
    package var reason: String
    /// Failed starts of replicas of `to` counted so far.
    package var failedStarts: Int
    /// Wall clock.
    package var startedAt: Instant
    /// When a replica of `to` last became ready and stayed so for the bake time, or the rollout began or resumed. Wall clock.
    package var progressedAt: Instant
    package var finishedAt: Instant?
    /// nil without canary steps, and once they are behind it.
    package var canary: Canary?

    package init(id: Int64, service: String, from: Int?, to: Int, startedAt: Instant, reason: String) {
        self.id = id
        self.service = service
        self.from = from
        self.to = to
        self.startedAt = startedAt
        self.reason = reason
        progressedAt = startedAt
        finishedAt = nil
        canary = nil
        phase = .progressing
        failedStarts = 0
    }
}
