import Foundation
import Testing

/// Where containers look for the gateway it is, whatever the operator told it to listen on.
@Suite(.serialized) struct BridgeListenerTests {
    @Test(arguments: ["127.0.0.1", "0.0.0.0", "[::]"])
    func `the gateway is at the bridge's address wherever else it listens`(address: String) async throws {
        try await StandaloneHost.run { host in
            let bridge = host.subnet.replacing("0/24", with: "1")
            try await host.start(["--listen", "\(address):\(host.port)"])
            let words = ["-sS", "--max-time", "20", "-o", "/dev/null", "-w", "%{response_code}"]
            for there in [bridge, address == "[::]" ? "[::1]" : "127.0.0.1"] {
                let answer = try await Programs.run("/usr/bin/curl", words + ["http://\(there):\(host.port)/"])
                #expect(answer.output == "404", "at \(there): \(answer.errors)")
            }
        }
    }
}
