import ControlAPI

/// The OpenAPI 3.1 document of the operator API. Tests hold the router and every answer to it.
enum OpenAPIDocument {
    /// What a request is answered with when all is well.
    enum Answer: Sendable {
        case json(OpenAPISchema)
        case text(String)
    }

    struct Operation: Sendable {
        var method: String
        var path: String
        var summary: String
        var query: [String] = []
        var body: String?
        var answer: Answer
    }

    static let operations: [Operation] =
        services + histories + [
            Operation(method: "get", path: "/v1/hosts", summary: "Every host.", answer: .json(.array(.reference("HostStatus")))),
            Operation(
                method: "post", path: "/v1/hosts/{name}", summary: "Cordons, drains or removes a host.", body: "HostRequest",
                answer: .json(.array(.reference("HostStatus")))),
            Operation(
                method: "get", path: "/v1/images", summary: "Every image.", answer: .json(.array(.reference("ImageSummary")))),
            Operation(
                method: "delete", path: "/v1/images", summary: "Takes a name away from an image; returns those left.",
                query: ["reference"], answer: .json(.array(.reference("ImageSummary")))),
            Operation(
                method: "post", path: "/v1/images/import", summary: "Imports an archive on the controller's host.",
                body: "ImageImportRequest", answer: .json(.array(.reference("ImageSummary")))),
            Operation(
                method: "get", path: "/v1/replicas/{replica}/logs", summary: "A replica's log as it is written.",
                query: ["tail", "follow"], answer: .text("application/octet-stream")),
            Operation(
                method: "get", path: "/v1/watch",
                summary:
                    "Server-sent events: service (ServiceStatus), serviceGone (a name), event (FleetEvent), decision (Decision).",
                answer: .text("text/event-stream")),
            Operation(
                method: "post", path: "/v1/backup", summary: "Copies the controller's database to a file on its host.",
                body: "BackupRequest", answer: .json(.reference("BackupSummary"))),
            Operation(
                method: "get", path: "/v1/openapi.json", summary: "This document.", answer: .json(.map(.anything))),
            Operation(method: "get", path: "/healthz", summary: "Whether the process runs.", answer: .text("text/plain")),
            Operation(method: "get", path: "/readyz", summary: "Whether it can do its work.", answer: .text("text/plain")),
            Operation(method: "get", path: "/metrics", summary: "Prometheus metrics.", answer: .text("text/plain")),
        ]

    private static let services: [Operation] = [
        Operation(
            method: "get", path: "/v1/services", summary: "Every service.", answer: .json(.array(.reference("ServiceStatus")))),
        Operation(
            method: "post", path: "/v1/services", summary: "Creates or changes services: all of them or none.",
            body: "ApplyRequest", answer: .json(.array(.reference("ApplyResult")))),
        Operation(
            method: "get", path: "/v1/services/{name}", summary: "One service.", answer: .json(.reference("ServiceStatus"))),
        Operation(
            method: "delete", path: "/v1/services/{name}",
            summary: "Drains, stops and removes a service; its named volumes too with volumes=true.", query: ["volumes"],
            answer: .json(.reference("ServiceStatus"))),
        Operation(
            method: "post", path: "/v1/services/{name}/scale", summary: "Fixes the online count, or hands it back.",
            body: "ScaleRequest", answer: .json(.reference("ServiceStatus"))),
        Operation(
            method: "post", path: "/v1/services/{name}/rollout", summary: "Starts, pauses, resumes or undoes a rollout.",
            body: "RolloutRequest", answer: .json(.reference("RolloutRecord"))),
    ]

    private static let histories: [Operation] = [
        Operation(
            method: "get", path: "/v1/services/{name}/rollouts", summary: "Every rollout, newest first.",
            answer: .json(.array(.reference("RolloutRecord")))),
        Operation(
            method: "get", path: "/v1/services/{name}/revisions", summary: "Every revision, newest first.",
            answer: .json(.array(.reference("Revision")))),
        Operation(
            method: "get", path: "/v1/services/{name}/decisions", summary: "The autoscaler's decisions, oldest first.",
            query: ["limit", "since"], answer: .json(.array(.reference("Decision")))),
        Operation(
            method: "get", path: "/v1/services/{name}/load",
            summary: "The load recorded, oldest first; ‘since’ is a time in nanoseconds since 1970.",
            query: ["limit", "since"], answer: .json(.array(.reference("LoadRecord")))),
        Operation(
            method: "get", path: "/v1/events", summary: "What happened, oldest first.", query: ["limit", "since"],
            answer: .json(.array(.reference("FleetEvent")))),
    ]

    static let json: String = {
        let schemas = components.map { "\"\($0.name)\":\($0.schema.json)" }.joined(separator: ",")
        var paths: [String] = []
        for path in Set(operations.map(\.path)).sorted() {
            let list = operations.filter { $0.path == path }.map { "\"\($0.method)\":\(json(of: $0))" }
            paths.append("\"\(path)\":{\(list.joined(separator: ","))}")
        }
        return """
            {"openapi":"3.1.0","info":{"title":"Sidekick controller","version":"v1"},\
            "paths":{\(paths.joined(separator: ","))},"components":{"schemas":{\(schemas)}}}
            """
    }()

    private static func json(of operation: Operation) -> String {
        let inPath = operation.path.split(separator: "/").filter { $0.hasPrefix("{") }.map { $0.dropFirst().dropLast() }
        let parameters =
            inPath.map { #"{"name":"\#($0)","in":"path","required":true,"schema":{"type":"string"}}"# }
            + operation.query.map { #"{"name":"\#($0)","in":"query","schema":{"type":"string"}}"# }
        let body = operation.body.map {
            #""requestBody":{"required":true,"content":{"application/json":{"schema":"#
                + OpenAPISchema.reference($0).json + "}}},"
        }
        let content =
            switch operation.answer {
            case .json(let schema): #"{"application/json":{"schema":\#(schema.json)}}"#
            case .text(let type): #"{"\#(type)":{}}"#
            }
        let failure = #"{"application/json":{"schema":"# + OpenAPISchema.reference("APIFailure").json + "}}"
        return #"{"summary":"\#(operation.summary)","parameters":[\#(parameters.joined(separator: ","))],\#(body ?? "")"#
            + #""responses":{"200":{"description":"done","content":\#(content)},"#
            + #""default":{"description":"why not","content":\#(failure)}}}"#
    }
}
