import AgentProtocol
import Foundation
import Gateway
import SidekickModel
import Synchronization
import Testing

struct HoldTests {
    @Test func `requests to a service at zero wait, the agent hears at once, and a replica that appears gets them`() async throws
    {
        try await TestGateway.with([TestGateway.web([])]) { gateway in
            let clients = try (0..<5).map { _ in try gateway.client() }
            for client in clients { client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n") }
            _ = try gateway.agent.messages.take {
                if case .held(let sample) = $0 {
                    sample.service == "web" && sample.queue >= 1 && sample.inflight >= 1
                } else {
                    false
                }
            }
            let replica = try TestReplica()
            gateway.agent.send(.service(TestGateway.web([replica])))
            for client in clients { #expect(try client.response().text == "1 GET / 0") }
        }
    }

    @Test func `a request held to its deadline is answered 503 and told when to come back`() async throws {
        try await TestGateway.with([TestGateway.web([], deadline: 100)]) { gateway in
            let client = try gateway.client()
            let began = Date()
            let response = try client.get()
            #expect(response.status == 503)
            #expect(response["retry-after"] != nil)
            #expect(Date().timeIntervalSince(began) >= 0.1)
            let replica = try TestReplica()
            gateway.agent.send(.service(TestGateway.web([replica])))
            #expect(try client.get().status == 200)
        }
    }

    @Test func `beyond the hold limit the answer is 503 at once`() async throws {
        try await TestGateway.with([TestGateway.web([], limit: 2)]) { gateway in
            let held = try (0..<2).map { _ in try gateway.client() }
            for client in held { client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n") }
            _ = try gateway.agent.messages.take { if case .held(let sample) = $0 { sample.queue == 2 } else { false } }
            #expect(try gateway.client().get().status == 503)
        }
    }

    @Test func `a client that leaves while held leaves the queue`() async throws {
        try await TestGateway.with([TestGateway.web([])]) { gateway in
            for abrupt in [true, false] {
                let client = try gateway.client()
                client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                _ = try gateway.agent.messages.take {
                    if case .load(let all) = $0 { all.contains { $0.queue == 1 } } else { false }
                }
                if abrupt { client.socket.reset() }
                client.socket.shutdown()
                _ = try gateway.agent.messages.take {
                    if case .load(let all) = $0 { all.allSatisfy { $0.queue == 0 } } else { false }
                }
            }
        }
    }

    @Test func `no replica ever has more requests than its limit, over both loops`() async throws {
        let replicas = try (1...2).map { number in
            try TestReplica(Int64(number)) { request, connection in
                connection.replica.busy { usleep(2000) }
                return TestReplica.answer(request, connection)
            }
        }
        try await TestGateway.with([TestGateway.web(replicas, concurrency: 2)]) { gateway in
            let done = Mailbox<Int>()
            for _ in 0..<16 {
                Thread.detachNewThread {
                    var good = 0
                    for _ in 0..<20 { if let client = try? gateway.client(), (try? client.get().status) == 200 { good += 1 } }
                    done.put(good)
                }
            }
            for _ in 0..<16 {
                let good = try done.take(seconds: 120)
                #expect(good == 20)
            }
            for replica in replicas {
                #expect(replica.seen.most <= 2)
                #expect(replica.seen.requests > 100)
            }
        }
    }

    @Test func `a draining replica finishes what it has, gets nothing new, and is reported drained`() async throws {
        let gate = Gate()
        let old = try TestReplica(1) { request, connection in
            try? gate.pass()
            return TestReplica.answer(request, connection)
        }
        let new = try TestReplica(2)
        try await TestGateway.with([TestGateway.web([old])]) { gateway in
            let client = try gateway.client()
            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            while old.seen.requests == 0 { usleep(1000) }
            try gateway.route([TestGateway.web([old, new], draining: [1])])
            for _ in 0..<10 { #expect(try gateway.client().get().text.hasPrefix("2")) }
            gate.open()
            #expect(try client.response().text.hasPrefix("1"))
            #expect(try gateway.agent.messages.take { if case .drained = $0 { true } else { false } } == .drained(ReplicaID(1)))
            gateway.agent.send(.sync([TestGateway.web([old, new], draining: [1])]))
            #expect(try gateway.agent.messages.take { if case .drained = $0 { true } else { false } } == .drained(ReplicaID(1)))
        }
    }

    @Test func `each second the agent gets a sample of each service`() async throws {
        let replica = try TestReplica()
        try await TestGateway.with([TestGateway.web([replica])]) { gateway in
            for _ in 0..<10 { _ = try gateway.client().get() }
            var arrivals = 0
            while arrivals < 10 {
                guard case .load(let samples) = try gateway.agent.messages.take() else { continue }
                let web = samples.filter { $0.service == "web" }
                #expect(web.count == 1)
                arrivals += web.first?.arrivals ?? 0
            }
            #expect(arrivals == 10)
        }
    }
}
