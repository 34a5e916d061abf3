import SidekickModel

extension WireServiceSpec {
    init(_ spec: ServiceSpec) {
        self.init()
        service = spec.service
        image = spec.image
        command = spec.command
        ports = spec.ports.mapValues { Int64($0) }
        ingress = spec.ingress.map(WireIngressRule.init)
        env = spec.env
        resources = WireResources(spec.resources)
        replicas = WireReplicaPolicy(spec.replicas)
        scale = WireScalePolicy(spec.scale)
        health = WireHealthPolicy(spec.health)
        rollout = WireRolloutPolicy(spec.rollout)
        stop = WireStopPolicy(spec.stop)
        volumes = (spec.volumes ?? []).map(WireVolume.init)
    }

    func model() throws(WireProblem) -> ServiceSpec {
        var spec = ServiceSpec(service: service, image: image)
        spec.command = command
        for (name, port) in ports { spec.ports[name] = try count(port, "port \(name)") }
        spec.ingress = ingress.map { IngressRule(host: $0.host, path: $0.path) }
        spec.env = env
        try resources.apply(to: &spec.resources)
        try replicas.apply(to: &spec.replicas)
        try scale.apply(to: &spec.scale)
        try health.apply(to: &spec.health)
        try rollout.apply(to: &spec.rollout)
        try stop.apply(to: &spec.stop)
        if !volumes.isEmpty { spec.volumes = try volumes.map { (volume) throws(WireProblem) in try volume.model() } }
        return spec
    }
}

extension WireVolume {
    init(_ volume: VolumeSpec) {
        self.init()
        if let source = volume.name { name = source }
        if let source = volume.host { host = source }
        if let size = volume.tmpfs { tmpfsBytes = size.bytes }
        path = volume.path
        readOnly = volume.readOnly
    }

    func model() throws(WireProblem) -> VolumeSpec {
        var volume = VolumeSpec()
        if hasName { volume.name = name }
        if hasHost { volume.host = host }
        if hasTmpfsBytes { volume.tmpfs = ByteCount(try bounded(tmpfsBytes, WireBounds.bytes, "volume.tmpfs")) }
        volume.path = path
        volume.readOnly = readOnly
        return volume
    }
}

extension WireIngressRule {
    init(_ rule: IngressRule) {
        self.init()
        host = rule.host
        path = rule.path
    }
}

extension WireResources {
    init(_ resources: Resources) {
        self.init()
        if let cpu = resources.cpu { cpuMilli = cpu.count }
        if let memory = resources.memory { memoryBytes = memory.bytes }
        pids = Int64(resources.pids)
    }

    func apply(to resources: inout Resources) throws(WireProblem) {
        if hasCpuMilli { resources.cpu = MilliCPU(try bounded(cpuMilli, WireBounds.count, "resources.cpu")) }
        if hasMemoryBytes { resources.memory = ByteCount(try bounded(memoryBytes, WireBounds.bytes, "resources.memory")) }
        if hasPids { resources.pids = try count(pids, "resources.pids") }
    }
}

extension WireReplicaPolicy {
    init(_ policy: ReplicaPolicy) {
        self.init()
        min = Int64(policy.min)
        max = Int64(policy.max)
        if case .count(let count) = policy.standby { standby = Int64(count) }
        rung = WireRung(policy.rung)
    }

    func apply(to policy: inout ReplicaPolicy) throws(WireProblem) {
        if hasMin { policy.min = try count(min, "replicas.min") }
        if hasMax { policy.max = try count(max, "replicas.max") }
        if hasStandby { policy.standby = .count(try count(standby, "replicas.standby")) }
        if let rung = try rung.model() { policy.rung = rung }
    }
}

extension WireScalePolicy {
    init(_ policy: ScalePolicy) {
        self.init()
        if let limit = policy.concurrency { concurrency = Int64(limit) }
        waitMs = policy.wait.count
        holdDeadlineMs = policy.holdDeadline.count
        holdLimit = Int64(policy.holdLimit)
        idleMs = policy.idle.count
    }

    func apply(to policy: inout ScalePolicy) throws(WireProblem) {
        if hasConcurrency { policy.concurrency = try count(concurrency, "scale.concurrency") }
        if hasWaitMs { policy.wait = try milliseconds(waitMs, "scale.wait") }
        if hasHoldDeadlineMs { policy.holdDeadline = try milliseconds(holdDeadlineMs, "scale.holdDeadline") }
        if hasHoldLimit { policy.holdLimit = try count(holdLimit, "scale.holdLimit") }
        if hasIdleMs { policy.idle = try milliseconds(idleMs, "scale.idle") }
    }
}

extension WireHealthPolicy {
    init(_ policy: HealthPolicy) {
        self.init()
        if let probe = policy.startup { startup = WireProbe(probe) }
        if let probe = policy.ready { ready = WireProbe(probe) }
        if let probe = policy.live { live = WireProbe(probe) }
        startTimeoutMs = policy.startTimeout.count
    }

    func apply(to policy: inout HealthPolicy) throws(WireProblem) {
        if hasStartup { policy.startup = try startup.model() }
        if hasReady { policy.ready = try ready.model() }
        if hasLive { policy.live = try live.model() }
        if hasStartTimeoutMs { policy.startTimeout = try milliseconds(startTimeoutMs, "health.startTimeout") }
    }
}

extension WireProbe {
    init(_ probe: Probe) {
        self.init()
        if let path = probe.http { http = path }
        if let service = probe.grpc { grpc = service }
        if let port = probe.tcp { tcp = port }
        if let command = probe.exec { exec.arguments = command }
        if probe.exec?.isEmpty == true { exec = WireCommand() }
        everyMs = probe.every.count
        timeoutMs = probe.timeout.count
        failures = Int64(probe.failures)
    }

    func model() throws(WireProblem) -> Probe {
        var probe = Probe()
        if hasHTTP { probe.http = http }
        if hasGrpc { probe.grpc = grpc }
        if hasTcp { probe.tcp = tcp }
        if hasExec { probe.exec = exec.arguments }
        if hasEveryMs { probe.every = try milliseconds(everyMs, "probe.every") }
        if hasTimeoutMs { probe.timeout = try milliseconds(timeoutMs, "probe.timeout") }
        if hasFailures { probe.failures = try count(failures, "probe.failures") }
        return probe
    }
}

extension WireRolloutPolicy {
    init(_ policy: RolloutPolicy) {
        self.init()
        maxSurge = Int64(policy.maxSurge)
        maxUnavailable = Int64(policy.maxUnavailable)
        bakeMs = policy.bake.count
        canary = (policy.canary ?? []).map { Int64($0) }
        deadlineMs = policy.deadline.count
        failures = Int64(policy.failures)
        onFailure =
            switch policy.onFailure {
            case .rollback: .rollback
            case .pause: .pause
            }
    }

    func apply(to policy: inout RolloutPolicy) throws(WireProblem) {
        if hasMaxSurge { policy.maxSurge = try count(maxSurge, "rollout.maxSurge") }
        if hasMaxUnavailable { policy.maxUnavailable = try count(maxUnavailable, "rollout.maxUnavailable") }
        if !canary.isEmpty {
            policy.canary = try canary.map { (percent) throws(WireProblem) in try count(percent, "rollout.canary") }
        }
        if hasBakeMs { policy.bake = try milliseconds(bakeMs, "rollout.bake") }
        if hasDeadlineMs { policy.deadline = try milliseconds(deadlineMs, "rollout.deadline") }
        if hasFailures { policy.failures = try count(failures, "rollout.failures") }
        switch onFailure {
        case .default: break
        case .rollback: policy.onFailure = .rollback
        case .pause: policy.onFailure = .pause
        case .UNRECOGNIZED(let value): throw WireProblem("rollout.onFailure", "has the unknown value \(value)")
        }
    }
}

extension WireStopPolicy {
    init(_ policy: StopPolicy) {
        self.init()
        signal = policy.signal
        graceMs = policy.grace.count
        drainMs = policy.drain.count
    }

    func apply(to policy: inout StopPolicy) throws(WireProblem) {
        if hasSignal { policy.signal = signal }
        if hasGraceMs { policy.grace = try milliseconds(graceMs, "stop.grace") }
        if hasDrainMs { policy.drain = try milliseconds(drainMs, "stop.drain") }
    }
}

extension WireRung {
    init(_ rung: Rung) {
        self =
            switch rung {
            case .staged: .staged
            case .prepared: .prepared
            case .frozen: .frozen
            case .online: .online
            }
    }

    func model() throws(WireProblem) -> Rung? {
        switch self {
        case .none: nil
        case .staged: .staged
        case .prepared: .prepared
        case .frozen: .frozen
        case .online: .online
        case .UNRECOGNIZED(let value): throw WireProblem("rung", "has the unknown value \(value)")
        }
    }
}

func milliseconds(_ value: Int64, _ field: String) throws(WireProblem) -> Milliseconds {
    Milliseconds(try bounded(value, WireBounds.count, field))
}
