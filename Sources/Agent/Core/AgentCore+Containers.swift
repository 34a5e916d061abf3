import ContainerCore
import ImageStore
import Logging
import Orchestration
import SidekickModel

/// Carries container operations out and brings their answers back.
extension AgentCore {
    func operate(_ action: LifecycleAction, _ assignment: Assignment) {
        let id = assignment.replica
        switch action {
        case .stage(let digest): stage(id, digest: digest)
        case .prepare(let attempt): prepare(assignment, attempt: attempt)
        case .start(let attempt):
            answer(id, attempt, failed: { .startFailed($0) }) { runtime, container in
                .started(pid: Int(try await runtime.start(container).pid ?? 0))
            }
        case .freeze(let attempt):
            answer(id, attempt, failed: { .freezeFailed($0) }) { runtime, container in
                try await runtime.freeze(container)
                return .frozen
            }
        case .thaw(let attempt):
            answer(id, attempt, failed: { .thawFailed($0) }) { runtime, container in
                try await runtime.thaw(container)
                return .thawed
            }
        case .remove(let attempt): remove(id, attempt: attempt)
        case .signal(let attempt, let name): signal(id, attempt, StopSignal.number(name))
        case .kill(let attempt): signal(id, attempt, StopSignal.number("KILL"))
        case .startProbe, .stopProbe, .probeNow, .route, .remember, .report: break
        }
    }

    private func answer(
        _ id: ReplicaID, _ attempt: Int, failed: @escaping @Sendable (String) -> ContainerEvent,
        _ work: @escaping @Sendable (any ContainerRuntime, String) async throws -> ContainerEvent
    ) {
        let runtime = runtime
        let container = ReplicaContainer.id(id, attempt: attempt)
        Task {
            let event: ContainerEvent
            do {
                event = try await work(runtime, container)
            } catch {
                event = failed("\(error)")
            }
            step(id, .container(attempt: attempt, event))
        }
    }

    private func stage(_ id: ReplicaID, digest: String) {
        enqueue(for: id) { core in
            let failure = await Self.unpack(digest, core.images).failure
            core.step(id, failure.map { .stagingFailed($0) } ?? .staged)
        }
    }

    private func prepare(_ assignment: Assignment, attempt: Int) {
        enqueue(for: assignment.replica) { core in
            let event: ContainerEvent
            switch await Self.make(assignment, attempt: attempt, core.configuration, core.images, core.runtime) {
            case .success(let status):
                core.replicas[assignment.replica]?.address = status.address
                event = .prepared(endpoint: ReplicaContainer.endpoint(assignment, address: status.address))
            case .failure(let failure): event = .prepareFailed(failure.message)
            }
            core.step(assignment.replica, .container(attempt: attempt, event))
        }
    }

    /// Removes the named volumes of services that an operator wants gone with all they hold.
    func removeVolumes(_ services: [String]) {
        for service in services {
            // A service of that name was made anew since, and its volumes are its own.
            guard replicasOfService[service]?.contains(where: { replicas[$0]?.lifecycle.stage != .removed }) != true else {
                logger.warning("the volumes of a service are kept: it has replicas here", metadata: ["service": "\(service)"])
                continue
            }
            line.add({ await $0.removeVolumes(of: service) }, isUrgent: false).map(begin)
        }
    }

    private func removeVolumes(of service: String) async {
        do {
            try await Self.remove(volumesOf: service, from: configuration.volumes)
            logger.notice("removed the volumes of a service", metadata: ["service": "\(service)"])
        } catch {
            logger.error("the volumes of a service are not removed", metadata: ["service": "\(service)", "error": "\(error)"])
        }
    }

    @concurrent private static func remove(volumesOf service: String, from volumes: ServiceVolumes) async throws(AgentError) {
        try volumes.remove(service)
    }

    private func remove(_ id: ReplicaID, attempt: Int) {
        let container = ReplicaContainer.id(id, attempt: attempt)
        enqueue(for: id) { core in
            let event: ContainerEvent
            do {
                try await core.runtime.remove(container)
                event = .removed
            } catch {
                event = .removeFailed("\(error)")
            }
            core.step(id, .container(attempt: attempt, event))
        }
    }

    /// What somebody waits for goes first.
    private func enqueue(for id: ReplicaID, _ work: @escaping HeavyWork) {
        let isUrgent = replicas[id]?.lifecycle.goal == .rung(.online)
        if let work = line.add(work, isUrgent: isUrgent) { begin(work) }
    }

    private func begin(_ work: @escaping HeavyWork) {
        Task {
            await work(self)
            if let next = line.next() { begin(next) }
        }
    }

    /// A process that cannot be signalled has most likely ended; what the runtime says of it then is what counts.
    private func signal(_ id: ReplicaID, _ attempt: Int, _ number: Int32) {
        let runtime = runtime
        let container = ReplicaContainer.id(id, attempt: attempt)
        Task {
            do {
                try await runtime.signal(container, number)
            } catch {
                logger.info("a signal was not delivered", metadata: ["container": "\(container)", "error": "\(error)"])
                let status = try? await runtime.status(container)
                if status.map({ $0.state == .exited }) ?? true {
                    step(id, .container(attempt: attempt, .exited(reason: ReplicaContainer.describe(status?.exit))))
                }
            }
        }
    }

    private struct Unpacked {
        var image: UnpackedImage?
        var failure: String?
    }

    @concurrent private static func unpack(_ digest: String, _ images: any ImageLibrary) async -> Unpacked {
        do {
            return Unpacked(image: try await images.unpack(digest))
        } catch {
            return Unpacked(failure: "\(error)")
        }
    }

    @concurrent private static func make(
        _ assignment: Assignment, attempt: Int, _ agent: AgentConfiguration, _ images: any ImageLibrary,
        _ runtime: any ContainerRuntime
    ) async -> Result<ContainerStatus, CheckFailure> {
        do {
            let image = try await images.unpack(assignment.imageDigest)
            let configuration = try ContainerPlan.configuration(
                assignment, attempt: attempt, image: image, volumes: agent.volumes, keeping: agent.keptDirectories)
            return .success(try await prepare(configuration, runtime))
        } catch {
            return .failure(CheckFailure("\(error)"))
        }
    }

    private nonisolated static func prepare(
        _ configuration: ContainerConfiguration, _ runtime: any ContainerRuntime
    ) async throws -> ContainerStatus {
        do {
            return try await runtime.prepare(configuration)
        } catch let error {
            guard error.code == .alreadyExists else { throw error }
        }
        // Left by an agent that died before it noted this attempt.
        try await runtime.remove(configuration.id)
        return try await runtime.prepare(configuration)
    }
}
