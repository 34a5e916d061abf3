import SidekickModel

/// What to do next at each stage, given the goal. Stages that wait for an answer do nothing here.
extension ReplicaLifecycle {
    /// Moves on until something has to be waited for.
    mutating func advance(_ now: Instant, _ commands: inout [LifecycleAction]) {
        var previous: Stage?
        while previous != stage {
            previous = stage
            moveOn(now, &commands)
        }
    }

    private mutating func moveOn(_ now: Instant, _ commands: inout [LifecycleAction]) {
        switch stage {
        case .absent, .staging, .staged: climbToContainer(now, &commands)
        case .prepared: leavePrepared(now, &commands)
        case .probing:
            if isStale || goalRung.map({ $0 < .frozen }) ?? true { stop(now, &commands) }
        case .running: leaveRunning(now, &commands)
        case .draining:
            if goal == .rung(.online) && !isStale {
                enter(.running)
            } else if assignment.spec.stop.drain.count == 0 {
                endDrain(now, &commands)
            }
        case .frozen:
            if goal != .rung(.frozen) || isStale {
                enter(.thawing)
                commands.append(.thaw(attempt: memory.attempt))
            }
        case .exited:
            if goalRung.map({ $0 <= .staged }) ?? true || !isBackingOff(now) { remove(&commands) }
        case .preparing, .starting, .freezing, .thawing, .stopping, .killing, .removing, .removed: break
        }
    }

    private mutating func climbToContainer(_ now: Instant, _ commands: inout [LifecycleAction]) {
        guard let goalRung else {
            enter(.removed)
            return
        }
        if stage == .absent, !isBackingOff(now) {
            enter(.staging)
            commands.append(.stage(digest: assignment.imageDigest))
        } else if stage == .staged {
            guard goalRung > .staged else {
                deadline = nil
                backoffUntil = nil
                return
            }
            guard !isBackingOff(now) else { return }
            beginAttempt(&commands)
        }
    }

    private mutating func beginAttempt(_ commands: inout [LifecycleAction]) {
        memory.attempt += 1
        containerRevision = assignment.revision
        failing = false
        enter(.preparing)
        commands.append(.prepare(attempt: memory.attempt))
    }

    private mutating func leavePrepared(_ now: Instant, _ commands: inout [LifecycleAction]) {
        guard let goalRung, goalRung >= .prepared, !isStale else {
            remove(&commands)
            return
        }
        guard goalRung > .prepared else { return }
        memory.starts += 1
        enter(.starting, until: now + assignment.spec.health.startTimeout)
        commands.append(.start(attempt: memory.attempt))
    }

    private mutating func leaveRunning(_ now: Instant, _ commands: inout [LifecycleAction]) {
        if goal == .rung(.online) && !isStale {
            if ready { becomeReady(now) }
        } else if everRouted {
            enter(.draining, until: now + assignment.spec.stop.drain)
        } else {
            endDrain(now, &commands)
        }
    }

    /// Notes that requests may come from now on, and what it took to get here.
    private mutating func becomeReady(_ now: Instant) {
        guard readySince == nil else { return }
        readySince = now
        guard endpoint != nil, !everRouted else { return }
        everRouted = true
        startTook = Milliseconds((max(0, now.nanoseconds - orderedAt.nanoseconds) + 999_999) / 1_000_000)
    }

    /// No request is left: what was on its way to `frozen` is frozen where it stands, anything else ends.
    mutating func endDrain(_ now: Instant, _ commands: inout [LifecycleAction]) {
        if goal == .rung(.frozen) && !isStale {
            enter(.freezing)
            commands.append(.freeze(attempt: memory.attempt))
        } else {
            stop(now, &commands)
        }
    }

    mutating func stop(_ now: Instant, _ commands: inout [LifecycleAction]) {
        enter(.stopping, until: now + assignment.spec.stop.grace)
        commands.append(.signal(attempt: memory.attempt, name: assignment.spec.stop.signal))
    }

    mutating func kill(_ now: Instant, _ commands: inout [LifecycleAction]) {
        enter(.killing, until: now + backoff.retry)
        commands.append(.kill(attempt: memory.attempt))
    }

    mutating func remove(_ commands: inout [LifecycleAction]) {
        enter(.removing)
        commands.append(.remove(attempt: memory.attempt))
    }

    /// The one place where the stage changes: a deadline belongs to the stage that set it.
    mutating func enter(_ next: Stage, until: Instant? = nil) {
        stage = next
        deadline = until
        if next != .running && next != .draining { readySince = nil }
        if next != .running {
            ready = ready && (next == .draining || next == .freezing || next == .frozen || next == .thawing)
            failedChecks = [:]
            suspect = false
        }
        switch next {
        case .freezing, .frozen, .exited, .removing: everRouted = false
        default: break
        }
        switch next {
        case .exited, .removing, .removed: pid = nil
        default: break
        }
        switch next {
        case .removing, .removed, .staged, .absent: endpoint = nil
        default: break
        }
    }

    /// Whether the wait after a failure is not over; asks to be woken at its end.
    private mutating func isBackingOff(_ now: Instant) -> Bool {
        guard let until = backoffUntil, now < until else {
            backoffUntil = nil
            deadline = nil
            return false
        }
        deadline = until
        return true
    }
}
