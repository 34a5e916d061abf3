import COpenSSL
import Foundation
import Gateway
import Glibc
import SidekickModel
import Synchronization
import TLS
import Testing

/// Which certificate is served, how they change, and what handshakes may cost.
struct TLSCertificateTests {
    @Test func `a client gets the certificate for its host: exact before wildcard before the default`() async throws {
        let certificates = TestCertificates()
        try certificates.make("default", hosts: ["fallback.example"])
        try certificates.make("exact", hosts: ["www.a.example", "A2.example"])
        try certificates.make("wild", hosts: ["*.a.example"], .directory)
        // Valid longer, for the same host.
        try certificates.make("renewed", hosts: ["a2.example"], days: 60, .directory)
        try await TestGateway.withTLS([try TestReplica()], certificates) { gateway in
            let table: [(String?, String)] = [
                ("www.a.example", "exact"), ("WWW.A.Example", "exact"), ("x.a.example", "wild"), ("x.y.a.example", "default"),
                ("a.example", "default"), ("a2.example", "renewed"), ("nobody.example", "default"), (nil, "default"),
            ]
            for version in [TLS1_2_VERSION, TLS1_3_VERSION] {
                for (host, subject) in table {
                    let client = try gateway.tls(.init(host: host, version: (version, version)))
                    #expect(client.subject == subject, "\(host ?? "none")")
                    #expect(try client.get().status == 200)
                }
            }
        }
    }

    @Test func `certificates change under load and not one request fails`() async throws {
        let replica = try TestReplica()
        let certificates = TestCertificates()
        try certificates.make("a", subject: "0", hosts: ["a"])
        try await TestGateway.withTLS([replica], certificates) { gateway in
            let stop = Atomic<Bool>(false)
            let done = Mailbox<(requests: Int, failures: [String])>()
            for number in 0..<4 {
                Thread.detachNewThread {
                    var result = (requests: 0, failures: [String]())
                    var kept: TLSClient?
                    while !stop.load(ordering: .relaxed) {
                        do {
                            // Half of them on kept connections, half each on a new one.
                            if kept == nil || number % 2 == 0 { kept = try gateway.tls() }
                            if let status = try kept?.get().status, status != 200 { result.failures.append("\(status)") }
                        } catch {
                            result.failures.append("\(error)")
                            kept = nil
                        }
                        result.requests += 1
                    }
                    done.put(result)
                }
            }
            for round in 1...5 {
                try certificates.make("a", subject: "\(round)", hosts: ["a"])
                var subject = ""
                for _ in 0..<1000 {
                    subject = try gateway.tls().subject
                    if subject == "\(round)" { break }
                    usleep(10_000)
                }
                #expect(subject == "\(round)")
            }
            stop.store(true, ordering: .relaxed)
            var total = 0
            for _ in 0..<4 {
                let result = try done.take()
                #expect(result.failures.isEmpty)
                total += result.requests
            }
            print("5 changes of the certificate under \(total) requests: 0 failed")
        }
    }

    @Test func `a pair that cannot be used is refused by name while the old one serves, and its mending is noticed`() async throws
    {
        let certificates = TestCertificates()
        try certificates.make("a", subject: "old", hosts: ["a"])
        try certificates.make("b", hosts: ["b"])
        let admin = "/tmp/sk-gw-admin-\(getpid())-\(UInt32.random(in: 0...UInt32.max)).sock"
        defer { unlink(admin) }
        try await TestGateway.withTLS([try TestReplica()], certificates, change: { $0.admin = admin }) { gateway in
            func faults() throws -> String? {
                try MetricsTests.get("/metrics", admin).split(separator: "\n").first {
                    $0.hasPrefix("sidekick_gateway_certificate_faults ")
                }.map { String($0.suffix(1)) }
            }
            #expect(try faults() == "0")
            // The key of another.
            try FileManager.default.removeItem(atPath: certificates.files("a").key)
            try FileManager.default.copyItem(atPath: certificates.files("b").key, toPath: certificates.files("a").key)
            for _ in 0..<1000 where try faults() != "1" { usleep(10_000) }
            #expect(try faults() == "1")
            #expect(try gateway.tls().subject == "old")
            #expect(try gateway.tls(.init(host: "b")).subject == "b")
            try certificates.make("a", subject: "new", hosts: ["a"])
            for _ in 0..<1000 where try gateway.tls().subject != "new" { usleep(10_000) }
            #expect(try gateway.tls().subject == "new")
            // One that appears in a directory of its own, and one that goes.
            try certificates.make("c", hosts: ["c"], .directory)
            unlink(certificates.files("b").chain)
            unlink(certificates.files("b").key)
            for _ in 0..<1000 where try gateway.tls(.init(host: "c")).subject != "c" { usleep(10_000) }
            #expect(try gateway.tls(.init(host: "c")).subject == "c")
            #expect(try gateway.tls(.init(host: "b")).subject == "new")
            #expect(try faults() == "0")
            let metrics = try MetricsTests.get("/metrics", admin)
            let expiry = metrics.split(separator: "\n").first {
                $0.hasPrefix("sidekick_gateway_certificate_expiry_seconds{certificate=\"a\"} ")
            }
            let seconds = expiry.flatMap { Double($0.split(separator: " ").last ?? "") } ?? 0
            #expect(abs(seconds - Date().timeIntervalSince1970 - 30 * 86400) < 3600)
            #expect(metrics.contains("sidekick_gateway_tls_handshakes_total{outcome=\"full\"}"))
        }
    }

    @Test func `what is wrong with a pair is said with its file`() throws {
        let certificates = TestCertificates()
        let directory = CertificateDirectory(path: certificates.path)
        func fault() -> String { directory.read(.empty, .http1).faults.map { "\($0)" }.joined(separator: "\n") }
        try certificates.make("a", hosts: ["a"])
        try certificates.make("b", hosts: ["b"])
        #expect(fault() == "")
        let (chain, key) = certificates.files("a")
        unlink(key)
        #expect(fault() == "cannot read the private key \(key): No such file or directory")
        _ = FileManager.default.createFile(atPath: key, contents: Data("nonsense".utf8))
        #expect(fault().hasPrefix("cannot use the private key \(key): "))
        try FileManager.default.removeItem(atPath: key)
        try FileManager.default.copyItem(atPath: certificates.files("b").key, toPath: key)
        #expect(fault().hasPrefix("cannot use the private key \(key) with the certificate \(chain): "))
        try TestCertificates.run(
            "openssl", ["ec", "-in", certificates.files("b").key, "-aes128", "-passout", "pass:x", "-out", key])
        #expect(fault().hasPrefix("cannot use the private key \(key): "))
        _ = FileManager.default.createFile(atPath: chain, contents: Data("-----BEGIN CERTIFICATE-----\nAAAA\n".utf8))
        #expect(fault().hasPrefix("cannot use the certificate \(chain): "))
        #expect(throws: (any Error).self) {
            var configuration = GatewayConfiguration(
                listen: ["127.0.0.1:0"], agentSocket: "/tmp/nobody", stateDirectory: "/tmp", threads: 1)
            configuration.certificates = "/nowhere/at/all"
            _ = try GatewayServer(configuration, log: LifeTests.quiet())
        }
        #expect(
            CertificateDirectory(path: "/nowhere/at/all").read(.empty, .http1).faults.map { "\($0)" } == [
                "cannot read the directory of certificates /nowhere/at/all: No such file or directory"
            ])
    }

    @Test func `a client that does not finish its handshake is closed in time, and holds up nobody`() async throws {
        let certificates = TestCertificates()
        try certificates.make("a", hosts: ["a"])
        try await TestGateway.withTLS([try TestReplica()], certificates, change: { $0.timeouts.handshake = Milliseconds(400) }) {
            gateway in
            let silent = try TestClient(port: gateway.tlsPort)
            let slow = try TestClient(port: gateway.tlsPort)
            slow.socket.write([22, 3, 1, 2, 0, 1])
            let began = Date()
            #expect(try gateway.tls().get().status == 200)
            #expect(silent.isClosed)
            #expect(slow.isClosed)
            print("silent TLS clients were closed after \(Date().timeIntervalSince(began)) s")
            #expect(Date().timeIntervalSince(began) > 0.2)
        }
    }

    @Test func `a flood of unfinished handshakes keeps nobody out`() async throws {
        let certificates = TestCertificates()
        try certificates.make("a", hosts: ["a"])
        try await TestGateway.withTLS([try TestReplica()], certificates, threads: 1) { gateway in
            let kept = try gateway.tls()
            let flood = try (0..<1500).map { _ in
                let client = try TestClient(port: gateway.tlsPort)
                client.socket.write([22, 3, 1])
                return client
            }
            #expect(try kept.get().status == 200)
            for _ in 0..<20 { #expect(try gateway.tls().get().status == 200) }
            // The oldest made room, the newest have their time.
            #expect(flood[0].isClosed)
            _ = flood
        }
    }

    @Test func `a ticket key seals for its time, opens for as long again, and is forgotten`() {
        var counter: UInt8 = 0
        let start = Instant(nanoseconds: 0)
        let life = TicketKeys.lifetime
        var keys = TicketKeys(now: start) { count in
            counter += 1
            return [UInt8](repeating: counter, count: count)
        }
        let first = keys.sealing(now: start)
        #expect(keys.sealing(now: start + life + Milliseconds(-1)) == first)
        let second = keys.sealing(now: start + life)
        #expect(second != first)
        #expect(keys.opening(second.name, now: start + life)?.isOld == false)
        #expect(keys.opening(first.name, now: start + life)?.isOld == true)
        #expect(keys.opening([UInt8](repeating: 0, count: 16), now: start + life) == nil)
        #expect(keys.opening(first.name, now: start + life + life) == nil)
        // Nobody came for a long time: not even the last key opens any more.
        #expect(keys.opening(second.name, now: start + life + life + life + life) == nil)
    }
}
