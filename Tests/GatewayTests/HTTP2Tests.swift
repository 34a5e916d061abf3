import AgentProtocol
import Foundation
import Glibc
import SidekickModel
import Testing

/// Runs a program to its end; its output and exit code.
func run(_ program: String, _ arguments: [String]) throws -> (text: String, code: Int32) {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: program)
    process.arguments = arguments
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = pipe
    process.standardInput = FileHandle.nullDevice
    try process.run()
    let data = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return (String(decoding: data, as: UTF8.self), process.terminationStatus)
}

struct HTTP2Tests {
    @Test func `curl speaks HTTP 2 with prior knowledge on the plain port`() async throws {
        let replica = try TestReplica()
        try await TestGateway.with([TestGateway.web([replica])]) { gateway in
            let curl = try run(
                "/usr/bin/curl",
                [
                    "-sS", "--http2-prior-knowledge", "-H", "Host: a", "-d", "hello", "-w", " %{http_version} %{response_code}",
                    "http://127.0.0.1:\(gateway.port)/x",
                ])
            #expect(curl.text == "1 POST /x 5 2 200")
            #expect(curl.code == 0)
        }
    }

    @Test func `h2load's requests on many streams are all answered`() async throws {
        let replica = try TestReplica()
        try await TestGateway.with([TestGateway.web([replica], host: "127.0.0.1")]) { gateway in
            let load = try run(
                "/usr/bin/h2load", ["-n", "3000", "-c", "10", "-m", "20", "http://127.0.0.1:\(gateway.port)/x"])
            #expect(load.text.contains("3000 succeeded, 0 failed, 0 errored, 0 timeout"), "\(load.text)")
        }
    }
}
