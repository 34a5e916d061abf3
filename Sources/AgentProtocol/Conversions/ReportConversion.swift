import SidekickModel

extension WireHostIdentity {
    init(_ identity: HostIdentity) {
        self.init()
        host = identity.host
        bootID = identity.bootID
        version = identity.version
        cpuMilli = identity.cpu.count
        memoryBytes = identity.memory.bytes
        labels = identity.labels
        if let address = identity.gateway { gateway = address }
    }

    func model() throws(WireProblem) -> HostIdentity {
        HostIdentity(
            host: host, bootID: bootID, version: version,
            cpu: MilliCPU(try bounded(cpuMilli, WireBounds.count, "identity.cpu")),
            memory: ByteCount(try bounded(memoryBytes, WireBounds.bytes, "identity.memory")), labels: labels,
            gateway: hasGateway ? gateway : nil)
    }
}

extension WireObservedReplica {
    init(_ observed: ObservedReplica) {
        self.init()
        replica = observed.replica.number
        service = observed.service
        revision = Int64(observed.revision)
        generation = observed.generation
        phase = WirePhase(observed.phase)
        if let rung = observed.rung { self.rung = WireRung(rung) }
        ready = observed.ready
        wokenLocally = observed.wokenLocally
        if let endpoint = observed.endpoint { self.endpoint = endpoint }
        if let pid = observed.pid { self.pid = Int64(pid) }
        starts = Int64(observed.starts)
        if let took = observed.startTook { startTookMs = took.count }
        if let failure = observed.failure { self.failure = failure }
    }

    func model() throws(WireProblem) -> ObservedReplica {
        var observed = ObservedReplica(
            replica: ReplicaID(try identifier(replica, "observed.replica")), service: service,
            revision: try count(revision, "observed.revision"),
            generation: try identifier(generation, "observed.generation"), phase: try phase.model())
        observed.rung = try rung.model()
        observed.ready = ready
        observed.wokenLocally = wokenLocally
        observed.endpoint = hasEndpoint ? endpoint : nil
        observed.pid = hasPid ? try count(pid, "observed.pid") : nil
        observed.starts = try count(starts, "observed.starts")
        observed.startTook = hasStartTookMs ? try milliseconds(startTookMs, "observed.startTook") : nil
        observed.failure = hasFailure ? failure : nil
        return observed
    }
}

extension WirePhase {
    init(_ phase: ObservedReplica.Phase) {
        self =
            switch phase {
            case .starting: .starting
            case .settled: .settled
            case .draining: .draining
            case .stopping: .stopping
            case .failed: .failed
            case .removed: .removed
            }
    }

    func model() throws(WireProblem) -> ObservedReplica.Phase {
        switch self {
        case .starting: .starting
        case .settled: .settled
        case .draining: .draining
        case .stopping: .stopping
        case .failed: .failed
        case .removed: .removed
        case .unspecified: throw WireProblem("observed.phase", "is missing")
        case .UNRECOGNIZED(let value): throw WireProblem("observed.phase", "has the unknown value \(value)")
        }
    }
}

extension WireLoadSample {
    init(_ sample: LoadSample) {
        self.init()
        service = sample.service
        seconds = sample.seconds
        inflight = Int64(sample.inflight)
        busy = Int64(sample.busy)
        queue = Int64(sample.queue)
        oldestWait = sample.oldestWait
        averageInflight = sample.averageInflight
        averageBusy = sample.averageBusy
        busyTime = sample.busyTime
        peakInflight = Int64(sample.peakInflight)
        arrivals = Int64(sample.arrivals)
        completions = Int64(sample.completions)
        failures = Int64(sample.failures)
    }

    func model() throws(WireProblem) -> LoadSample {
        var sample = LoadSample(service: service, seconds: try amount(seconds, "load.seconds"))
        sample.inflight = try count(inflight, "load.inflight")
        sample.busy = try count(busy, "load.busy")
        sample.queue = try count(queue, "load.queue")
        sample.oldestWait = try amount(oldestWait, "load.oldestWait")
        sample.averageInflight = try amount(averageInflight, "load.averageInflight")
        sample.averageBusy = try amount(averageBusy, "load.averageBusy")
        sample.busyTime = try amount(busyTime, "load.busyTime")
        sample.peakInflight = try count(peakInflight, "load.peakInflight")
        sample.arrivals = try count(arrivals, "load.arrivals")
        sample.completions = try count(completions, "load.completions")
        sample.failures = try count(failures, "load.failures")
        return sample
    }
}

extension WireGatewayService {
    init(_ service: GatewayService) {
        self.init()
        route = WireServiceRoute(service.route)
        endpoints = service.endpoints.map(WireGatewayEndpoint.init)
        peers = service.peers.map(WireGatewayPeer.init)
        standby = Int64(service.standby)
    }

    func model() throws(WireProblem) -> GatewayService {
        guard hasRoute else { throw WireProblem("service.route", "is missing") }
        return GatewayService(
            route: try route.model(),
            endpoints: try endpoints.map { (endpoint) throws(WireProblem) in try endpoint.model() },
            peers: try peers.map { (peer) throws(WireProblem) in try peer.model() },
            standby: try count(standby, "service.standby"))
    }
}

extension WireGatewayPeer {
    init(_ peer: GatewayPeer) {
        self.init()
        address = peer.address
        near = peer.near
        online = Int64(peer.online)
        standby = Int64(peer.standby)
    }

    func model() throws(WireProblem) -> GatewayPeer {
        GatewayPeer(
            address: address, near: near, online: try count(online, "peer.online"),
            standby: try count(standby, "peer.standby"))
    }
}

extension WireGatewayEndpoint {
    init(_ endpoint: GatewayEndpoint) {
        self.init()
        replica = endpoint.replica.number
        revision = Int64(endpoint.revision)
        address = endpoint.address
        draining = endpoint.draining
        speaks = endpoint.speaks == .h2c ? .h2C : .http1
        number = endpoint.number
    }

    func model() throws(WireProblem) -> GatewayEndpoint {
        let speaks: PortProtocol
        switch self.speaks {
        case .http1: speaks = .http1
        case .h2C: speaks = .h2c
        case .UNRECOGNIZED(let number): throw WireProblem("endpoint.speaks", "has the unknown value \(number)")
        }
        return GatewayEndpoint(
            replica: ReplicaID(try identifier(replica, "endpoint.replica")),
            revision: try count(revision, "endpoint.revision"), address: address, draining: draining,
            number: try identifier(number, "endpoint.number"), speaks: speaks)
    }
}
