import ControlAPI
import FoundationEssentials
import Glibc
import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import ServiceLifecycle
import SidekickModel

/// The operator API over HTTP on a Unix socket.
struct APIServer: Sendable {
    let api: FleetAPI
    let socketPath: String
    let logger: Logger

    /// The most bytes of a request's body.
    private static let bodyLimit = 16 << 20

    /// How long open requests may take to end once the server is told to stop.
    private static let patience = Duration.seconds(3)

    /// What serves; told to stop, it takes no new connection and lets open requests end.
    /// - Parameter ready: called once requests are taken.
    func service(ready: @escaping @Sendable () async -> Void) -> ServiceGroup {
        var quiet = logger
        // Connections that break are no news here.
        quiet.logLevel = .critical
        let path = socketPath
        let application = Application(
            router: router(), configuration: ApplicationConfiguration(address: .unixDomainSocket(path: path)),
            onServerRunning: { _ in
                // Whatever the umask was: only the owner may connect.
                chmod(path, 0o600)
                await ready()
            }, logger: quiet)
        var configuration = ServiceGroupConfiguration(services: [application], logger: quiet)
        configuration.maximumGracefulShutdownDuration = Self.patience
        return ServiceGroup(configuration: configuration)
    }

    private func router() -> Router<BasicRequestContext> {
        let router = Router()
        router.add(middleware: FailureMiddleware())
        addServices(to: router)
        addHistory(to: router)
        addImages(to: router)
        router.get("/v1/hosts") { _, _ in try Self.json(await api.conductor.hostStatuses()) }
        router.post("/v1/hosts/:name") { request, context in
            try Self.json(try await api.host(try Self.name(context), try await Self.body(request)))
        }
        router.post("/v1/backup") { request, _ in try Self.json(try await api.backup(try await Self.body(request))) }
        router.get("/v1/watch") { _, _ in watch() }
        router.get("/v1/openapi.json") { _, _ in
            Response(
                status: .ok, headers: [.contentType: "application/json"],
                body: .init(byteBuffer: ByteBuffer(string: OpenAPIDocument.json)))
        }
        router.get("/v1/replicas/:replica/logs") { request, context in try await logs(request, context) }
        router.get("/healthz") { _, _ in Response(status: .ok, body: .init(byteBuffer: ByteBuffer(string: "ok\n"))) }
        router.get("/readyz") { _, _ in Response(status: .ok, body: .init(byteBuffer: ByteBuffer(string: "ready\n"))) }
        router.get("/metrics") { _, _ in
            let text = await api.conductor.metrics()
            return Response(
                status: .ok, headers: [.contentType: "text/plain; version=0.0.4"],
                body: .init(byteBuffer: ByteBuffer(string: text)))
        }
        return router
    }

    private func addServices(to router: Router<BasicRequestContext>) {
        router.get("/v1/services") { _, _ in try Self.json(await api.conductor.statuses()) }
        router.post("/v1/services") { request, _ in try Self.json(try await api.apply(try await Self.body(request))) }
        router.get("/v1/services/:name") { _, context in
            try Self.json(try await api.conductor.requireStatus(of: try Self.name(context)))
        }
        router.delete("/v1/services/:name") { request, context in
            let volumes = request.uri.queryParameters["volumes"] == "true"
            return try Self.json(try await api.delete(try Self.name(context), volumes: volumes))
        }
        router.post("/v1/services/:name/scale") { request, context in
            try Self.json(try await api.scale(try Self.name(context), try await Self.body(request)))
        }
        router.post("/v1/services/:name/rollout") { request, context in
            try Self.json(try await api.rollout(try Self.name(context), try await Self.body(request)))
        }
    }

    private func addHistory(to router: Router<BasicRequestContext>) {
        router.get("/v1/services/:name/rollouts") { _, context in
            try Self.json(try await api.rollouts(try Self.name(context)))
        }
        router.get("/v1/services/:name/revisions") { _, context in
            try Self.json(try await api.revisions(try Self.name(context)))
        }
        router.get("/v1/services/:name/decisions") { request, context in
            try Self.json(try await api.decisions(try Self.name(context), try Self.page(request)))
        }
        router.get("/v1/services/:name/load") { request, context in
            try Self.json(try await api.loads(try Self.name(context), try Self.page(request)))
        }
        router.get("/v1/events") { request, _ in try Self.json(try await api.events(try Self.page(request))) }
    }

    private func addImages(to router: Router<BasicRequestContext>) {
        router.get("/v1/images") { _, _ in try Self.json(try await api.listImages()) }
        router.post("/v1/images/import") { request, _ in
            try Self.json(try await api.importImage(try await Self.body(request)))
        }
        router.delete("/v1/images") { request, _ in
            guard let reference = request.uri.queryParameters["reference"] else {
                throw APIFailure(.invalid, "image rm: the request names no reference")
            }
            return try Self.json(try await api.removeImage(String(reference)))
        }
    }

    private func logs(_ request: Request, _ context: BasicRequestContext) async throws -> Response {
        let text = context.parameters.get("replica") ?? ""
        guard let replica = ReplicaID(text: text) else { throw APIFailure(.invalid, "‘\(text)’ is not a replica such as r12") }
        let tail = try Self.number(request, "tail", 0...1_000_000) ?? 100
        let follow = request.uri.queryParameters["follow"] == "true"
        let pieces = try await api.log(of: replica, tail: tail, follow: follow)
        return Response(
            status: .ok, headers: [.contentType: "application/octet-stream"],
            body: ResponseBody { writer in
                for try await piece in pieces { try await writer.write(ByteBuffer(bytes: piece)) }
                try await writer.finish(nil)
            })
    }
}

// MARK: Reading requests, writing answers

extension APIServer {
    private static func name(_ context: BasicRequestContext) throws -> String { try context.parameters.require("name") }

    private static func body<Value: Decodable>(_ request: Request) async throws -> Value {
        let bytes: ByteBuffer
        do {
            bytes = try await request.body.collect(upTo: bodyLimit)
        } catch is NIOTooManyBytesError {
            throw APIFailure(.invalid, "the request's body is above \(bodyLimit) bytes")
        }
        do {
            return try JSONDecoder().decode(Value.self, from: Data(bytes.readableBytesView))
        } catch let error as DecodingError {
            throw APIFailure(.invalid, "the request's body is not the JSON expected here: \(explain(error))")
        }
    }

    private static func explain(_ error: DecodingError) -> String {
        let context: DecodingError.Context
        switch error {
        case .keyNotFound(let key, let place): return "\(path(place)) lacks the key ‘\(key.stringValue)’"
        case .typeMismatch(_, let place), .valueNotFound(_, let place), .dataCorrupted(let place): context = place
        @unknown default: return "\(error)"
        }
        return "\(path(context)): \(context.debugDescription)"
    }

    private static func path(_ context: DecodingError.Context) -> String {
        context.codingPath.isEmpty
            ? "the document" : context.codingPath.map { $0.intValue.map { "[\($0)]" } ?? $0.stringValue }.joined(separator: ".")
    }

    private static func page(_ request: Request) throws -> Page {
        Page(
            limit: try number(request, "limit", 1...10_000) ?? 100,
            since: try number(request, "since", 0...Int.max).map(Int64.init))
    }

    private static func number(_ request: Request, _ name: String, _ range: ClosedRange<Int>) throws -> Int? {
        guard let text = request.uri.queryParameters[name[...]] else { return nil }
        guard let value = Int(text), range.contains(value) else {
            throw APIFailure(.invalid, "\(name)=\(text) is not a whole number within \(range.lowerBound) and \(range.upperBound)")
        }
        return value
    }

    fileprivate static func json(_ value: some Encodable, status: HTTPResponse.Status = .ok) throws -> Response {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return Response(
            status: status, headers: [.contentType: "application/json"],
            body: .init(byteBuffer: ByteBuffer(bytes: try encoder.encode(value))))
    }
}

/// Every answer that is not 2xx has an `APIFailure` as its body.
private struct FailureMiddleware: RouterMiddleware {
    @concurrent func handle(
        _ request: Request, context: BasicRequestContext,
        next: @concurrent (Request, BasicRequestContext) async throws -> Response
    ) async throws -> Response {
        do {
            return try await next(request, context)
        } catch let failure as APIFailure {
            return try APIServer.json(failure, status: Self.status(failure.code))
        } catch let error as any HTTPResponseError where error.status == .notFound {
            let failure = APIFailure(.notFound, "there is nothing at \(request.method) \(request.uri.path)")
            return try APIServer.json(failure, status: .notFound)
        } catch let error as any HTTPResponseError {
            return try APIServer.json(APIFailure(.invalid, "\(error)"), status: error.status)
        } catch {
            return try APIServer.json(APIFailure(.internalFailure, "\(error)"), status: .internalServerError)
        }
    }

    private static func status(_ code: APIFailure.Code) -> HTTPResponse.Status {
        switch code {
        case .notFound: .notFound
        case .invalid: .unprocessableContent
        case .conflict: .conflict
        case .unavailable, .unreachable: .serviceUnavailable
        case .internalFailure: .internalServerError
        }
    }
}
