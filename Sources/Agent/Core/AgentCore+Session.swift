import AgentProtocol
import ContainerCore
import Logging
import NIOCore
import Orchestration
import SidekickModel

/// The agent's side of its conversation with the controller.
extension AgentCore {
    func sessionOpened(_ channel: any Channel) {
        unreported = [:]
        let pause = TimeAmount.milliseconds(configuration.heartbeat.count)
        let beats = loop.scheduleRepeatedTask(initialDelay: pause, delay: pause) { _ in
            self.assumeIsolated { $0.session?.beat() }
        }
        let session = Session(channel, silence: configuration.silence, beats: beats)
        self.session = session
        let observed = replicas.sorted { $0.key < $1.key }.map(\.value.lifecycle.observed)
        session.send(.hello(identity: identity, secret: configuration.secret, observed: observed))
    }

    func sessionClosed(_ channel: any Channel) {
        guard session?.channel === channel else { return }
        session?.end()
        session = nil
        for reader in logReaders.values { reader.cancel() }
        logReaders = [:]
    }

    func received(_ message: ControllerMessage, from channel: any Channel) {
        guard let session, session.channel === channel else { return }
        session.heard()
        switch message {
        case .sync(let epoch, let assignments, let routes): sync(session, epoch: epoch, assignments, routes)
        case .refused(let reason):
            logger.error("the controller refuses this host; it is asked again later", metadata: ["reason": "\(reason)"])
            channel.close(promise: nil)
        case .heartbeat: break
        case .assignments, .routes, .removeRoutes, .removeVolumes, .forget, .readLogs, .cancelLogs, .peering:
            guard session.isSynced else {
                logger.warning("the controller gave orders before its sync; the session is ended")
                channel.close(promise: nil)
                return
            }
            obey(message, session)
        }
    }

    private func obey(_ message: ControllerMessage, _ session: Session) {
        switch message {
        case .assignments(let orders): orders.forEach(obey)
        case .routes(let changed): changed.forEach { follow($0) }
        case .removeRoutes(let services): removeRoutes(services)
        case .removeVolumes(let services): removeVolumes(services)
        case .forget(let gone):
            for id in gone {
                if replicas[id]?.lifecycle.stage == .removed { forget(id) } else { step(id, .orphaned) }
            }
        case .readLogs(let request, let replica, let tail, let follow):
            readLogs(session, request: request, replica, tail: tail, follow: follow)
        case .cancelLogs(let request): logReaders.removeValue(forKey: request)?.cancel()
        case .peering(let secret): takePeering(secret)
        case .sync, .refused, .heartbeat: break
        }
    }

    /// The controller's whole wish: what it does not name goes.
    private func sync(_ session: Session, epoch: Int64, _ assignments: [Assignment], _ routes: [ServiceRoute]) {
        guard epoch >= self.epoch else {
            logger.error(
                "the controller's epoch is older than one seen before; its orders are refused",
                metadata: ["epoch": "\(epoch)", "seen": "\(self.epoch)"])
            session.channel.close(promise: nil)
            return
        }
        if epoch > self.epoch {
            self.epoch = epoch
            journal.append(.epoch(epoch))
        }
        let named = Set(assignments.map(\.replica))
        for (id, replica) in replicas.sorted(by: { $0.key < $1.key }) where !named.contains(id) {
            if replica.lifecycle.stage == .removed { forget(id) } else { step(id, .orphaned) }
        }
        let served = Set(routes.map(\.service))
        removeRoutes(self.routes.keys.filter { !served.contains($0) }.sorted())
        routes.forEach { follow($0, evenIfOlder: true) }
        assignments.forEach(obey)
        session.isSynced = true
        scheduleReport()
    }

    private func obey(_ order: Assignment) {
        guard let held = replicas[order.replica]?.lifecycle.assignment else {
            journal.append(.assignment(order))
            begin(order)
            return
        }
        guard order.generation > held.generation else { return }
        journal.append(.assignment(order))
        step(order.replica, .assigned(order))
    }

    private func follow(_ route: ServiceRoute, evenIfOlder: Bool = false) {
        var route = route
        let held = routes[route.service]
        // What the controller does not know yet is kept.
        if route.peers == nil { route.peers = held?.peers }
        if let held, held == route || (!evenIfOlder && held.generation >= route.generation) { return }
        routes[route.service] = route
        journal.append(.route(route))
        announce(route.service)
    }

    private func removeRoutes(_ services: [String]) {
        let known = services.filter { routes.removeValue(forKey: $0) != nil }
        guard !known.isEmpty else { return }
        journal.append(.removeRoutes(known))
        known.forEach(announceRemoval)
        hopeful.subtract(known)
    }

    private func takePeering(_ secret: String) {
        guard secret != peeringSecret else { return }
        peeringSecret = secret
        journal.append(.peering(secret))
        announcePeering()
    }

    func report(_ observed: ObservedReplica) {
        if observed.phase == .failed {
            logger.warning(
                "a replica failed",
                metadata: [
                    "replica": "\(observed.replica)", "service": "\(observed.service)", "why": "\(observed.failure ?? "unknown")",
                ])
        }
        unreported[observed.replica] = observed
        scheduleReport()
    }

    /// A report answers orders, so it goes out once these are on disk; changes that come meanwhile go with it.
    private func scheduleReport() {
        guard !isReportDue, session?.isSynced ?? false, !unreported.isEmpty else { return }
        isReportDue = true
        journal.barrier {
            self.loop.execute { self.assumeIsolated { $0.sendReport() } }
        }
    }

    private func sendReport() {
        isReportDue = false
        guard let session, session.isSynced, !unreported.isEmpty else { return }
        session.send(.observed(unreported.sorted { $0.key < $1.key }.map(\.value)))
        unreported = [:]
        for (id, replica) in replicas where replica.lifecycle.stage == .removed && replica.lifecycle.isOrphaned { forget(id) }
    }
}
