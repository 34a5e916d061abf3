import SidekickModel

/// What each event changes. What to do about it is decided by `advance`.
extension ReplicaLifecycle {
    mutating func apply(_ event: LifecycleEvent, now: Instant, _ commands: inout [LifecycleAction]) {
        switch event {
        case .assigned(let order): obey(order, now)
        case .orphaned: isOrphaned = true
        case .wakeRequested: wake(now)
        case .drained:
            if stage == .draining { endDrain(now, &commands) }
        case .unreachable:
            guard stage == .running, goal == .rung(.online), endpoint != nil else { return }
            if probes.contains(where: { $0.kind == .ready }) { commands.append(.probeNow(.ready)) }
            suspect = true
            checked(.ready, failure: "the gateway could not connect to it", now, &commands)
        case .staged:
            if stage == .staging { enter(.staged) }
        case .stagingFailed(let why):
            if stage == .staging {
                countFailure(why, now)
                enter(.absent)
            }
        case .container(let attempt, let event):
            if attempt == memory.attempt { apply(event, now: now, &commands) }
        case .deadlinePassed:
            if let deadline, deadline <= now { passDeadline(now, &commands) }
        }
    }

    private mutating func obey(_ order: Assignment, _ now: Instant) {
        guard order.replica == assignment.replica, order.generation > assignment.generation else { return }
        let goalBefore = goal
        isOrphaned = false
        assignment = order
        if goal == .rung(.online) && goalBefore != goal { orderedAt = now }
    }

    private mutating func wake(_ now: Instant) {
        guard let goalRung, goalRung < .online, stage != .removed else { return }
        memory.wokenGeneration = assignment.generation
        orderedAt = now
    }

    private mutating func apply(_ event: ContainerEvent, now: Instant, _ commands: inout [LifecycleAction]) {
        switch (event, stage) {
        case (.prepared(let endpoint), .preparing):
            enter(.prepared)
            self.endpoint = endpoint
        case (.prepareFailed(let why), .preparing), (.startFailed(let why), .starting):
            fail(why, now)
            remove(&commands)
        case (.started(let pid), .starting):
            enterProbing(pid: pid, now)
        case (.frozen, .freezing):
            enter(.frozen)
        case (.thawed, .thawing):
            enter(.running)
        case (.freezeFailed(let why), .freezing), (.thawFailed(let why), .thawing):
            fail(why, now)
            kill(now, &commands)
        case (.probed(let kind, let failure), .probing), (.probed(let kind, let failure), .running):
            checked(kind, failure: failure, now, &commands)
        case (.exited(let reason), _):
            exited(reason, now, &commands)
        case (.lastWords(let words), .exited):
            failure = failure.map { "\($0); it last wrote ‘\(words)’" }
        case (.removed, .removing):
            // After a failure the image is looked at again: it may have been why.
            let next: Stage = goal == .removed ? .removed : failing ? .absent : .staged
            enter(next)
            containerRevision = nil
        case (.removeFailed(let why), .removing):
            failure = why
            deadline = now + backoff.retry
        default: break
        }
    }

    private mutating func enterProbing(pid: Int, _ now: Instant) {
        let until = deadline
        enter(.probing, until: until)
        self.pid = pid
        if startupProbe == nil { passStartup() }
    }

    private mutating func passStartup() {
        memory.healthyAttempt = memory.attempt
        failure = nil
        enter(.running)
        ready = assignment.spec.health.ready.map(isAnswered) ?? true
    }

    /// Whether the startup probe, which has just passed, has asked the same as this one would.
    private func isAnswered(_ probe: Probe) -> Bool {
        guard let startup = startupProbe else { return false }
        return startup.http == probe.http && startup.grpc == probe.grpc && startup.tcp == probe.tcp && startup.exec == probe.exec
    }

    private mutating func checked(
        _ kind: ProbeKind, failure: String?, _ now: Instant, _ commands: inout [LifecycleAction]
    ) {
        guard (kind == .startup) == (stage == .probing) else { return }
        guard let failure else {
            failedChecks[kind] = nil
            switch kind {
            case .startup: passStartup()
            case .ready:
                ready = true
                suspect = false
            case .live: break
            }
            return
        }
        // A startup probe that never passes is the start timeout's business; what it last said is kept for the report then.
        guard kind != .startup else {
            lastStartupFailure = failure
            return
        }
        let count = (failedChecks[kind] ?? 0) + 1
        failedChecks[kind] = count
        let probe = kind == .ready ? assignment.spec.health.ready : assignment.spec.health.live
        guard count >= (probe ?? Probe()).failures else { return }
        switch kind {
        case .startup: break
        case .ready:
            ready = false
            readySince = nil
            self.failure = "not ready: \(failure)"
        case .live:
            fail("not alive: \(failure)", now)
            stop(now, &commands)
        }
    }

    private mutating func exited(_ reason: String, _ now: Instant, _ commands: inout [LifecycleAction]) {
        switch stage {
        case .preparing, .prepared, .starting, .probing, .running, .freezing, .frozen, .thawing:
            fail(reason, now)
            enter(.exited)
        case .draining: remove(&commands)
        case .stopping, .killing:
            if failing { enter(.exited) } else { remove(&commands) }
        case .absent, .staging, .staged, .exited, .removing, .removed: break
        }
    }

    private mutating func passDeadline(_ now: Instant, _ commands: inout [LifecycleAction]) {
        switch stage {
        case .starting, .probing:
            let limit = assignment.spec.health.startTimeout
            fail("not started within \(limit)" + (lastStartupFailure.map { ": \($0)" } ?? ""), now)
            stage == .starting ? kill(now, &commands) : stop(now, &commands)
        case .draining: endDrain(now, &commands)
        case .stopping: kill(now, &commands)
        case .killing, .removing: remove(&commands)
        default: deadline = nil
        }
    }

    /// Notes a failure of the container that stands, and how long to wait before the next one.
    private mutating func fail(_ why: String, _ now: Instant) {
        if let readySince, now >= readySince + backoff.forgiveAfter { memory.failures = 0 }
        failing = true
        countFailure(why, now)
    }

    private mutating func countFailure(_ why: String, _ now: Instant) {
        failure = why
        memory.failures += 1
        backoffUntil = now + backoff.wait(failures: memory.failures)
        orderedAt = max(orderedAt, now + backoff.wait(failures: memory.failures))
    }

    mutating func adopt(_ container: AdoptedContainer, now: Instant, _ commands: inout [LifecycleAction]) {
        memory.attempt = max(memory.attempt, container.attempt)
        guard container.attempt == memory.attempt else { return }
        containerRevision = container.revision
        endpoint = container.endpoint
        pid = container.pid
        switch container.state {
        case .prepared: stage = .prepared
        case .frozen:
            stage = .frozen
            ready = true
        case .running:
            if memory.healthyAttempt == container.attempt {
                stage = .running
                ready = true
                everRouted = endpoint != nil
            } else {
                deadline = now + assignment.spec.health.startTimeout
                enterProbing(pid: container.pid ?? 0, now)
            }
        case .exited(let reason):
            stage = .running
            exited(reason, now, &commands)
        }
    }
}
