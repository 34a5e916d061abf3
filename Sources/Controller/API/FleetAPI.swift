import ControlAPI
import ControllerStore
import ImageStore
import Orchestration
import SidekickModel

/// What the operator API does, free of HTTP.
struct FleetAPI: Sendable {
    let conductor: Conductor
    let store: any FleetStore
    let images: any ImageLibrary
    let logs: LogRelay

    func apply(_ request: ApplyRequest) async throws(APIFailure) -> [ApplyResult] {
        guard !request.services.isEmpty else { throw APIFailure(.invalid, "apply: there is no service in the request") }
        let names = request.services.map(\.service)
        if let twice = names.first(where: { name in names.count { $0 == name } > 1 }) {
            throw APIFailure(.invalid, "apply: service \(twice) is in the request twice")
        }
        var resolved: [ResolvedSpec] = []
        for spec in request.services { resolved.append(try await resolve(spec)) }
        let specs = resolved
        return try await conductor.submit { (conductor) throws(APIFailure) in
            try await conductor.apply(specs, dryRun: request.dryRun, expecting: request.expectedVersion)
        }
    }

    private func resolve(_ spec: ServiceSpec) async throws(APIFailure) -> ResolvedSpec {
        let issues = spec.issues()
        guard issues.isEmpty else {
            throw APIFailure(
                .invalid, "apply: the spec of service \(spec.service) cannot be",
                issues: issues.map { APIFailure.Issue(key: $0.path, message: $0.message) })
        }
        do {
            return ResolvedSpec(spec: spec, imageDigest: try await images.image(spec.image).digest)
        } catch {
            throw Self.failure(error, "service \(spec.service): image \(spec.image)")
        }
    }

    func scale(_ name: String, _ request: ScaleRequest) async throws(APIFailure) -> ServiceStatus {
        try await conductor.submit { (conductor) throws(APIFailure) in
            try await conductor.scale(name, to: request.online)
        }
    }

    func delete(_ name: String, volumes: Bool) async throws(APIFailure) -> ServiceStatus {
        try await conductor.submit { (conductor) throws(APIFailure) in try await conductor.delete(name, volumes: volumes) }
    }

    func rollout(_ name: String, _ request: RolloutRequest) async throws(APIFailure) -> RolloutRecord {
        guard request.action == .start else {
            return try await conductor.submit { (conductor) throws(APIFailure) in
                try await conductor.steerRollout(name, request.action, revision: request.revision)
            }
        }
        let current = try await conductor.revision(nil, of: name)
        var resolved = ResolvedSpec(spec: current.spec, imageDigest: current.imageDigest)
        if let image = request.image {
            resolved.spec.image = image
            resolved = try await resolve(resolved.spec)
        }
        let (target, restart) = (resolved, request.image == nil)
        return try await conductor.submit { (conductor) throws(APIFailure) in
            try await conductor.startRollout(name, target, restart: restart)
        }
    }

    func rollouts(_ name: String) async throws(APIFailure) -> [RolloutRecord] {
        try await conductor.requireService(name)
        return try await reading { () throws(StoreError) in try await store.rollouts(of: name) }
    }

    func revisions(_ name: String) async throws(APIFailure) -> [Revision] {
        try await conductor.requireService(name)
        return try await reading { () throws(StoreError) in try await store.revisions(of: name) }
    }

    func decisions(_ name: String, _ page: Page) async throws(APIFailure) -> [Decision] {
        try await conductor.requireService(name)
        return try await reading { () throws(StoreError) in
            try await store.decisions(of: name, limit: page.limit, since: page.since)
        }
    }

    /// - Parameter page: `since` is a time in nanoseconds since 1970.
    func loads(_ name: String, _ page: Page) async throws(APIFailure) -> [LoadRecord] {
        let open = try await conductor.openLoad(of: name)
        var records = try await reading { () throws(StoreError) in
            try await store.loads(of: name, limit: page.limit, since: page.since.map { Instant(nanoseconds: $0) })
        }
        if let open, records.count < page.limit, open.at.nanoseconds > page.since ?? 0 { records.append(open) }
        return records
    }

    func events(_ page: Page) async throws(APIFailure) -> [FleetEvent] {
        try await reading { () throws(StoreError) in try await store.events(limit: page.limit, since: page.since) }
    }

    func host(_ name: String, _ request: HostRequest) async throws(APIFailure) -> [HostStatus] {
        try await conductor.submit { (conductor) throws(APIFailure) in
            try await conductor.change(host: name, request.action)
        }
    }

    func backup(_ request: BackupRequest) async throws(APIFailure) -> BackupSummary {
        guard request.path.hasPrefix("/") else {
            throw APIFailure(.invalid, "backup: ‘\(request.path)’ is not an absolute path on the controller's host")
        }
        do {
            return BackupSummary(path: request.path, size: try await store.backup(to: request.path))
        } catch {
            throw APIFailure(error.code == .conflict ? .conflict : .unavailable, "\(error)")
        }
    }

    func listImages() async throws(APIFailure) -> [ImageSummary] {
        do {
            return try await images.images().map(ImageSummary.init)
        } catch {
            throw Self.failure(error, "listing images")
        }
    }

    func importImage(_ request: ImageImportRequest) async throws(APIFailure) -> [ImageSummary] {
        guard request.path.hasPrefix("/") else {
            throw APIFailure(.invalid, "image import: ‘\(request.path)’ is not an absolute path on the controller's host")
        }
        var configuration: ImageConfiguration?
        if request.command != nil || request.environment != nil {
            var own = ImageConfiguration()
            own.entrypoint = request.command ?? []
            own.environment = request.environment ?? []
            configuration = own
        }
        do {
            return try await images.importImage(path: request.path, name: request.name, configuration: configuration)
                .map(ImageSummary.init)
        } catch {
            throw Self.failure(error, "image import \(request.path)")
        }
    }

    /// - Returns: the images that are left.
    func removeImage(_ reference: String) async throws(APIFailure) -> [ImageSummary] {
        let keep = await conductor.imagesInUse
        do {
            try await images.remove(reference, keep: keep)
        } catch {
            throw Self.failure(error, "image rm \(reference)")
        }
        return try await listImages()
    }

    func log(of replica: ReplicaID, tail: Int, follow: Bool) async throws(APIFailure) -> AsyncThrowingStream<[UInt8], any Error> {
        let session = try await conductor.session(of: replica)
        return logs.read(replica, from: session, tail: tail, follow: follow)
    }

    private func reading<Value>(_ body: () async throws(StoreError) -> Value) async throws(APIFailure) -> Value {
        do {
            return try await body()
        } catch {
            throw APIFailure(.unavailable, "\(error)")
        }
    }

    private static func failure(_ error: ImageError, _ operation: String) -> APIFailure {
        let code: APIFailure.Code =
            switch error.code {
            case .notFound: .notFound
            case .inUse: .conflict
            case .noSpace: .unavailable
            case .inputOutput: .internalFailure
            default: .invalid
            }
        return APIFailure(code, "\(operation): \(error)")
    }
}

/// Which part of a history is asked for.
struct Page: Sendable {
    var limit: Int
    var since: Int64?
}

extension ImageSummary {
    fileprivate init(_ image: StoredImage) {
        self.init(digest: image.digest, names: image.names, size: image.size, layers: image.layers.count)
    }
}
