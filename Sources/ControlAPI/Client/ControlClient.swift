import AsyncHTTPClient
import FoundationEssentials
import NIOCore
import NIOHTTP1
package import SidekickModel

/// The operator's side of the controller's API, over its Unix socket. Every failure is thrown as `APIFailure`.
package struct ControlClient: Sendable {
    private let transport: ControlTransport

    /// - Parameter socketPath: absolute path of the socket the controller listens on.
    package init(socketPath: String) { transport = ControlTransport(socketPath: socketPath) }

    /// Creates or changes services; what is already so stays untouched.
    package func apply(_ request: ApplyRequest) async throws(APIFailure) -> [ApplyResult] {
        try await transport.send(.POST, APIPath.services, body: request)
    }

    /// Every service, in order of name.
    package func services() async throws(APIFailure) -> [ServiceStatus] {
        try await transport.get(APIPath.services)
    }

    package func service(_ name: String) async throws(APIFailure) -> ServiceStatus {
        try await transport.get(APIPath.service(name))
    }

    /// Drains, stops and removes every replica, then the service. Returns once that is decided, not once it is done.
    /// - Parameter volumes: whether its named volumes go too, with all they hold, on every host that is connected then.
    package func delete(_ service: String, volumes: Bool = false) async throws(APIFailure) -> ServiceStatus {
        try await transport.send(
            .DELETE, APIPath.service(service), query: volumes ? [("volumes", "true")] : [], body: Optional<String>.none)
    }

    package func scale(_ name: String, _ request: ScaleRequest) async throws(APIFailure) -> ServiceStatus {
        try await transport.send(.POST, APIPath.scale(name), body: request)
    }

    package func rollout(_ name: String, _ request: RolloutRequest) async throws(APIFailure) -> RolloutRecord {
        try await transport.send(.POST, APIPath.rollout(name), body: request)
    }

    /// Every rollout of the service, newest first.
    package func rollouts(_ name: String) async throws(APIFailure) -> [RolloutRecord] {
        try await transport.get(APIPath.rollouts(name))
    }

    /// Every revision of the service, newest first.
    package func revisions(_ name: String) async throws(APIFailure) -> [Revision] {
        try await transport.get(APIPath.revisions(name))
    }

    /// The newest decisions of a service, oldest first.
    /// - Parameters:
    ///   - limit: the most to return.
    ///   - since: only those with a greater id, for following; with it the oldest `limit` of them are returned.
    package func decisions(_ name: String, limit: Int = 100, since: Int64? = nil) async throws(APIFailure) -> [Decision] {
        try await transport.get(APIPath.decisions(name), query: Self.page(limit, since))
    }

    /// The load recorded of a service, oldest first.
    /// - Parameter since: nanoseconds since 1970; only what began later, and the oldest `limit` of it.
    package func loads(_ name: String, limit: Int = 10_000, since: Int64? = nil) async throws(APIFailure) -> [LoadRecord] {
        try await transport.get(APIPath.loads(name), query: Self.page(limit, since))
    }

    /// The newest events of the fleet, oldest first; `limit` and `since` as for `decisions`.
    package func events(limit: Int = 100, since: Int64? = nil) async throws(APIFailure) -> [FleetEvent] {
        try await transport.get(APIPath.events, query: Self.page(limit, since))
    }

    /// Every host, in order of name.
    package func hosts() async throws(APIFailure) -> [HostStatus] {
        try await transport.get(APIPath.hosts)
    }

    /// Cordons, drains or removes a host; returns every host as it is then.
    package func host(_ name: String, _ request: HostRequest) async throws(APIFailure) -> [HostStatus] {
        try await transport.send(.POST, APIPath.host(name), body: request)
    }

    /// Has the controller copy its database.
    package func backup(_ request: BackupRequest) async throws(APIFailure) -> BackupSummary {
        try await transport.send(.POST, APIPath.backup, body: request)
    }

    package func images() async throws(APIFailure) -> [ImageSummary] {
        try await transport.get(APIPath.images)
    }

    /// Imports an archive that lies on the controller's host; returns what it held.
    package func importImage(_ request: ImageImportRequest) async throws(APIFailure) -> [ImageSummary] {
        try await transport.send(.POST, APIPath.imageImport, body: request)
    }

    package func removeImage(_ reference: String) async throws(APIFailure) {
        let _: [ImageSummary] = try await transport.send(
            .DELETE, APIPath.images, query: [("reference", reference)], body: Optional<String>.none)
    }

    /// The last `tail` lines of a replica's log, and with `follow` what comes after, until the reader stops.
    package func logs(_ replica: ReplicaID, tail: Int = 100, follow: Bool = false) -> AsyncThrowingStream<[UInt8], any Error> {
        transport.stream(
            APIPath.logs("\(replica)"), query: [("tail", "\(tail)"), ("follow", "\(follow)")])
    }

    /// Every service as it is, then whatever changes, until the reader stops or the controller does.
    package func watch() -> AsyncThrowingStream<WatchItem, any Error> {
        transport.events(APIPath.watch) { name, data in
            switch name {
            case "service": .service(try JSONDecoder().decode(ServiceStatus.self, from: data))
            case "serviceGone": .serviceGone(try JSONDecoder().decode(String.self, from: data))
            case "event": .event(try JSONDecoder().decode(FleetEvent.self, from: data))
            case "decision": .decision(try JSONDecoder().decode(Decision.self, from: data))
            default: nil
            }
        }
    }

    /// Returns when the controller answers and can do its work.
    package func health() async throws(APIFailure) {
        try await transport.expectSuccess(APIPath.readiness)
    }

    private static func page(_ limit: Int, _ since: Int64?) -> [(String, String)] {
        [("limit", "\(limit)")] + (since.map { [("since", "\($0)")] } ?? [])
    }
}
