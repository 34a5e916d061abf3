import ContainerCore
import Glibc
import LinuxShims
import Testing

extension EngineTests {
    @Suite struct Names {
        @Test func `containers find services at the host's gateway by name, and the engine after a restart goes on answering`()
            async throws
        {
            let gateway = try Socket.listening(port: 0)
            let port = try gateway.port()
            try await withEngine(subnet: "10.213.9.0/24") {
                $0.servesNames = true
                $0.gatewayPort = port
            } _: { bed in
                #expect(bed.engine.notes.allSatisfy { !$0.contains("sidekick.internal") }, "\(bed.engine.notes)")
                for id in ["one", "two"] {
                    var configuration = bed.script("sleep 1000", id: id)
                    if !EngineBed.isEmulated {
                        configuration.mounts = ["/usr", "/lib", "/lib64"].map {
                            ContainerMount(kind: .bind, source: $0, target: $0, readOnly: true)
                        }
                    }
                    _ = try await bed.engine.prepare(configuration)
                    _ = try await bed.engine.start(id)
                }
                onThread {
                    while let (client, _) = try? gateway.accept() {
                        var request = ""
                        while !request.hasSuffix("\r\n\r\n") {
                            var piece = [UInt8](repeating: 0, count: 4096)
                            let count = recv(client.descriptor, &piece, piece.count, 0)
                            if count <= 0 { break }
                            request += String(decoding: piece.prefix(count), as: UTF8.self)
                        }
                        let host = request.split(separator: "\r\n").first { $0.hasPrefix("Host:") }
                        let body = "\(host ?? "?")\n"
                        let answer = Array("HTTP/1.0 200 OK\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)".utf8)
                        _ = send(client.descriptor, answer, answer.count, Int32(MSG_NOSIGNAL))
                    }
                }
                /// By busybox's own resolver and by that of the host distribution's C library, which the test machine does not have.
                func expectFound(_ name: String, by id: String) async throws {
                    let script = """
                        nslookup \(name).sidekick.internal 2>&1 | grep -q 'Address.*10.213.9.1$' && echo found
                        [ -x /usr/bin/bash ] && exec /usr/bin/bash -c '
                        exec 3<>/dev/tcp/\(name).sidekick.internal/80
                        printf "GET / HTTP/1.0\r\nHost: \(name).sidekick.internal\r\n\r\n" >&3
                        while read -r line <&3; do last=$line; done; echo "$last"'
                        """
                    let (_, output) = try await bed.engine.run(
                        id, arguments: ["/bin/sh", "-c", script], timeoutMilliseconds: 10_000)
                    let got = String(decoding: output, as: UTF8.self)
                    #expect(got == "found\n" + (EngineBed.isEmulated ? "" : "Host: \(name).sidekick.internal\n"), "\(got)")
                }
                let (_, resolver) = try await bed.engine.run(
                    "one", arguments: ["cat", "/etc/resolv.conf"], timeoutMilliseconds: 5_000)
                let servers = String(decoding: resolver, as: UTF8.self).split(separator: "\n").filter { $0.hasPrefix("names") }
                #expect(servers == ["nameserver 10.213.9.1"])
                try await expectFound("two", by: "one")
                try await expectFound("one", by: "two")
                #expect(try await bed.replaceEngine().recover().count == 2)
                try await expectFound("web", by: "one")
            }
        }

        @Test func `with port 53 taken containers ask the host's resolvers, and the engine says so`() async throws {
            try await withEngine(subnet: "10.213.10.0/24") { bed in
                var configuration = bed.configuration
                configuration.servesNames = true
                let first = try bed.replaceEngine(configuration: configuration)
                _ = try await first.recover()
                // A second server of the same address: what a DNS server of the host's own would be.
                #expect(throws: ContainerError.self) {
                    try NameServer(address: IPv4Address(bits: 0x0ad5_0a01), resolvers: [])
                }
                await first.shutdown()
                let other = try NameServer(address: IPv4Address(bits: 0x0ad5_0a01), resolvers: [])
                defer { withExtendedLifetime(other) {} }
                let second = try bed.replaceEngine(configuration: configuration)
                _ = try await second.recover()
                #expect(second.notes.contains { $0.contains("port 53") && $0.contains("sidekick.internal") }, "\(second.notes)")
                let (_, lines) = try await bed.finish(bed.script("cat /etc/resolv.conf"))
                #expect(!lines.contains { $0.text.contains("10.213.10.1") })
            }
        }
    }
}
