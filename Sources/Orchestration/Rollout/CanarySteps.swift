import SidekickModel

/// Walks a rollout through its canary steps: a step's replicas are made, its share of requests goes to them once they are ready, and when
/// they have stayed so for `bake` the next step begins. After the last one the rollout goes on as any other.
struct CanarySteps {
    private let steps: [Int]

    /// nil when the rollout has no step left.
    init?(_ rollout: RolloutRecord, _ policy: RolloutPolicy?) {
        guard let canary = rollout.canary, let steps = policy?.canary, steps.indices.contains(canary.step) else { return nil }
        self.steps = steps
    }

    /// Replicas of the new revision a share of the requests needs: its part of all, rounded up, at least one.
    ///
    /// 10% of 4 is 1; 50% of 5 is 3.
    static func replicas(percent: Int, of online: Int) -> Int { max(1, (online * percent + 99) / 100) }

    /// What the step under way asks for.
    func wanted(_ canary: RolloutRecord.Canary, online: Int) -> Int { Self.replicas(percent: steps[canary.step], of: online) }

    /// Takes in how many replicas of the new revision are ready; nil when the last step is over.
    func next(
        _ canary: RolloutRecord.Canary, ready: Int, online: Int, bake: Milliseconds, now: Instant
    ) -> RolloutRecord.Canary? {
        var canary = canary
        guard ready >= wanted(canary, online: online) else {
            // Its share stays, but its time begins anew when they are ready again.
            canary.since = nil
            return canary
        }
        guard let since = canary.since else {
            canary.percent = steps[canary.step]
            canary.since = now
            return canary
        }
        guard since + bake <= now else { return canary }
        guard canary.step + 1 < steps.count else { return nil }
        canary.step += 1
        canary.since = nil
        return canary
    }
}
