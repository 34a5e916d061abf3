import ControlAPI
import FoundationEssentials
import HTTPTypes
import Hummingbird
import NIOCore

extension APIServer {
    /// Changes that follow each other within this time arrive as one.
    private static let coalescing = Duration.milliseconds(100)
    /// A comment is sent after this many wake-ups without news, so that a broken connection is noticed.
    private static let quietWakes = 10

    /// Every service, then what changes, as server-sent events until the reader goes or the controller stops.
    func watch() -> Response {
        let conductor = api.conductor
        return Response(
            status: .ok, headers: [.contentType: "text/event-stream", .cacheControl: "no-store"],
            body: ResponseBody { writer in
                // First the subscription, then the state: what changes between the two is told twice rather than not at all.
                let (reader, wakes) = conductor.feed.subscribe()
                defer { conductor.feed.unsubscribe(reader) }
                for status in await conductor.statuses() { try await writer.write(Self.event("service", status)) }
                var quiet = 0
                for await _ in wakes {
                    let batch = conductor.feed.take(reader)
                    quiet = batch.isEmpty ? quiet + 1 : 0
                    if batch.isEmpty {
                        if quiet % Self.quietWakes == 0 { try await writer.write(ByteBuffer(string: ": alive\n\n")) }
                        continue
                    }
                    for item in batch.items { try await writer.write(Self.event(item)) }
                    for status in await conductor.statuses(of: batch.services) {
                        try await writer.write(Self.event("service", status))
                    }
                    try await Task.sleep(for: Self.coalescing)
                }
                try await writer.finish(nil)
            })
    }

    private static func event(_ item: WatchItem) throws -> ByteBuffer {
        switch item {
        case .service(let status): try event("service", status)
        case .serviceGone(let name): try event("serviceGone", name)
        case .event(let event): try self.event("event", event)
        case .decision(let decision): try event("decision", decision)
        }
    }

    private static func event(_ name: String, _ value: some Encodable) throws -> ByteBuffer {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        var bytes = ByteBuffer(string: "event: \(name)\ndata: ")
        bytes.writeBytes(try encoder.encode(value))
        bytes.writeString("\n\n")
        return bytes
    }
}
