import AsyncHTTPClient
import ControlAPI
import Foundation
import NIOCore
import NIOHTTP1
import SidekickModel
import Testing

/// The document that the controller serves, held against what it does.
@Suite struct OpenAPITests {
    @Test func `every operation of the document is there, and every answer is as its schema says`() async throws {
        try await Fixture.run { fixture in
            let agent = try await fixture.agent()
            var spec = webSpec(online: 1)
            spec.health.ready = Probe()
            spec.health.ready?.http = "/"
            spec.resources.memory = .mebibytes(32)
            _ = try await fixture.apply(spec)
            try await eventually("it is settled") { try await fixture.client.service("web").rollout?.phase == .succeeded }
            agent.sendLoad("web", inflight: 20, queue: 12, wait: 0.4)
            try await eventually("there is a decision") { try await !fixture.client.decisions("web").isEmpty }

            let document = try await Self.object(fixture, .GET, "/v1/openapi.json")
            let schemas = try #require((document["components"] as? [String: Any])?["schemas"] as? [String: Any])
            let paths = try #require(document["paths"] as? [String: [String: [String: Any]]])
            #expect(paths.count >= 15)
            let bodies = [
                "/v1/services": #"{"services":[],"dryRun":true}"#, "/v1/services/{name}/scale": #"{"online":2}"#,
                "/v1/services/{name}/rollout": #"{"action":"start"}"#, "/v1/hosts/{name}": #"{"action":"cordon"}"#,
                "/v1/images/import": #"{"path":"/nowhere"}"#, "/v1/backup": "{\"path\":\"\(fixture.directory)/copy\"}",
            ]
            var calls = paths.flatMap { path, operations in operations.map { (path: path, method: $0.key, operation: $0.value) } }
            calls.removeAll { $0.path == "/v1/watch" || $0.path.hasSuffix("/logs") }
            // What takes away comes last.
            calls.sort { ($0.method == "delete" ? 1 : 0, $0.path) < ($1.method == "delete" ? 1 : 0, $1.path) }
            for (path, method, operation) in calls {
                let url = path.replacingOccurrences(of: "{name}", with: path.contains("hosts") ? "host-a" : "web")
                let (status, type, body) = try await Self.exchange(
                    fixture, HTTPMethod(rawValue: method.uppercased()), url, body: method == "post" ? bodies[path] : nil)
                let responses = try #require(operation["responses"] as? [String: [String: Any]])
                let response = try #require(responses[status == 200 ? "200" : "default"])
                let content = try #require(response["content"] as? [String: [String: Any]])
                guard let schema = content["application/json"]?["schema"] as? [String: Any] else { continue }
                #expect(type == "application/json", "\(method) \(path)")
                let value = try JSONSerialization.jsonObject(with: body, options: .fragmentsAllowed)
                let problems = Self.problems(value, schema, schemas, "\(method) \(path)")
                #expect(problems.isEmpty, "\(problems.joined(separator: "\n"))")
                if status == 200 { #expect(!Self.isEmpty(value), "\(method) \(path) answered nothing to check") }
            }
        }
    }

    @Test func `the schema of a spec has the keys a spec has`() async throws {
        try await Fixture.run { fixture in
            let document = try await Self.object(fixture, .GET, "/v1/openapi.json")
            let schemas = try #require((document["components"] as? [String: Any])?["schemas"] as? [String: Any])
            var spec = webSpec()
            spec.resources.cpu = MilliCPU(100)
            spec.resources.memory = .mebibytes(8)
            spec.scale.concurrency = nil
            spec.health.live = Probe()
            let value = try JSONSerialization.jsonObject(with: try JSONEncoder().encode(spec))
            let problems = Self.problems(value, ["$ref": "#/components/schemas/ServiceSpec"], schemas, "spec")
            #expect(problems.isEmpty, "\(problems.joined(separator: "\n"))")
        }
    }

    private static func exchange(
        _ fixture: Fixture, _ method: HTTPMethod, _ path: String, body: String? = nil
    ) async throws -> (status: Int, type: String?, body: Data) {
        let socket = fixture.socket.replacingOccurrences(of: "/", with: "%2F")
        var request = HTTPClientRequest(url: "http+unix://\(socket)\(path)")
        request.method = method
        request.headers.add(name: "connection", value: "close")
        if let body { request.body = .bytes(ByteBuffer(string: body)) }
        let answer = try await HTTPClient.shared.execute(request, timeout: .seconds(10))
        let bytes = try await answer.body.collect(upTo: 10 << 20)
        return (Int(answer.status.code), answer.headers.first(name: "content-type"), Data(bytes.readableBytesView))
    }

    private static func object(_ fixture: Fixture, _ method: HTTPMethod, _ path: String) async throws -> [String: Any] {
        let answer = try await exchange(fixture, method, path)
        return try #require(try JSONSerialization.jsonObject(with: answer.body) as? [String: Any])
    }

    private static func isEmpty(_ value: Any) -> Bool { (value as? [Any])?.isEmpty ?? false }

    /// What about `value` is not as `schema` says.
    private static func problems(_ value: Any, _ schema: [String: Any], _ schemas: [String: Any], _ place: String) -> [String] {
        if let reference = schema["$ref"] as? String {
            guard let target = schemas[reference.split(separator: "/").last.map(String.init) ?? ""] as? [String: Any] else {
                return ["\(place): \(reference) is not in the document"]
            }
            return problems(value, target, schemas, place)
        }
        if let choices = schema["oneOf"] as? [[String: Any]] {
            let fits = choices.count { problems(value, $0, schemas, place).isEmpty }
            return fits == 1 ? [] : ["\(place): fits \(fits) of the choices"]
        }
        switch schema["type"] as? String {
        case "object": return objectProblems(value, schema, schemas, place)
        case "array":
            guard let list = value as? [Any], let items = schema["items"] as? [String: Any] else { return ["\(place): no array"] }
            return list.enumerated().flatMap { problems($1, items, schemas, "\(place)[\($0)]") }
        case "string":
            guard let text = value as? String else { return ["\(place): no string"] }
            if let words = schema["enum"] as? [String], !words.contains(text) { return ["\(place): ‘\(text)’ is not listed"] }
            return []
        case "integer":
            return (value as? NSNumber).map { Double($0.int64Value) == $0.doubleValue } == true ? [] : ["\(place): no integer"]
        case "number": return value is NSNumber ? [] : ["\(place): no number"]
        case "boolean": return value is Bool ? [] : ["\(place): no boolean"]
        default: return []
        }
    }

    private static func objectProblems(
        _ value: Any, _ schema: [String: Any], _ schemas: [String: Any], _ place: String
    ) -> [String] {
        guard let object = value as? [String: Any] else { return ["\(place): no object"] }
        let properties = schema["properties"] as? [String: [String: Any]] ?? [:]
        let required = Set(schema["required"] as? [String] ?? [])
        var found = required.subtracting(object.keys).sorted().map { "\(place): lacks \($0)" }
        for (key, inner) in object {
            if let property = properties[key] ?? schema["additionalProperties"] as? [String: Any] {
                found += problems(inner, property, schemas, "\(place).\(key)")
            } else {
                found.append("\(place): has \(key), which is not in the schema")
            }
        }
        return found
    }
}
