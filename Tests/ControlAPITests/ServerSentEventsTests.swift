import Testing

@testable import ControlAPI

@Suite struct ServerSentEventsTests {
    @Test func `events are cut out of bytes however these arrive`() {
        let text =
            "event: service\ndata: {\"a\":1}\n\n: alive\n\ndata: one\ndata: two\r\n\r\nevent: late\n\nevent:x\ndata:y\n\ndata: open"
        let expected = [
            ServerSentEvents.Event(name: "service", data: "{\"a\":1}"), .init(name: "message", data: "one\ntwo"),
            .init(name: "x", data: "y"),
        ]
        for size in 1...text.utf8.count {
            var parser = ServerSentEvents()
            var events: [ServerSentEvents.Event] = []
            var rest = Array(text.utf8)[...]
            while !rest.isEmpty {
                events += parser.take(rest.prefix(size))
                rest = rest.dropFirst(size)
            }
            #expect(events == expected)
        }
    }
}
