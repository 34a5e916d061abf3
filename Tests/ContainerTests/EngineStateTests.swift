import ContainerCore
import Glibc
import Testing

/// Runs `body` with an engine of its own, and closes it however `body` ends.
func withEngine(
    subnet: String? = nil, readyCradles: Int = 1, adjust: (inout EngineConfiguration) -> Void = { _ in },
    _ body: (EngineBed) async throws -> Void
) async throws {
    let bed = try EngineBed(subnet: subnet, readyCradles: readyCradles, adjust: adjust)
    do {
        #expect(try await bed.engine.recover().isEmpty)
        try await body(bed)
    } catch {
        try? await bed.close()
        throw error
    }
    try await bed.close()
}

func isAlive(_ pid: Int32) -> Bool { kill(pid, 0) == 0 }

extension EngineTests {
    @Suite struct States {
        @Test(arguments: [true, false], [0, 1])
        func `a container is prepared, started, runs, ends and is removed`(userNamespace: Bool, readyCradles: Int) async throws {
            try await withEngine(readyCradles: readyCradles) { bed in
                let exits = bed.engine.exits()
                var configuration = bed.script("echo hello; echo bad >&2; printf part; exit 7")
                configuration.userNamespace = userNamespace
                configuration.labels = ["a": "b"]
                let prepared = try await bed.engine.prepare(configuration)
                #expect(prepared.state == .prepared)
                #expect(prepared.labels == ["a": "b"])
                let pid = try #require(prepared.pid)
                #expect(isAlive(pid))
                #expect(bed.log("c1").isEmpty)
                let started = try await bed.engine.start("c1")
                #expect(started.pid == pid || started.state == .exited)
                let exit = await EngineBed.exit(of: "c1", in: exits)
                #expect(exit == ContainerExit(code: 7, signal: nil, outOfMemory: false, failure: nil))
                let status = try await bed.engine.status("c1")
                #expect(status.state == .exited)
                #expect(status.pid == nil)
                let lines = bed.log("c1")
                #expect(lines.filter { $0.stream == "stdout" }.map { "\($0.tag) \($0.text)" } == ["F hello", "P part"])
                #expect(lines.filter { $0.stream == "stderr" }.map { "\($0.tag) \($0.text)" } == ["F bad"])
                #expect(lines.allSatisfy { $0.time.count == 30 && $0.time.hasSuffix("Z") && $0.time.hasPrefix("20") })
                try await bed.engine.remove("c1")
                #expect(await bed.engine.list().isEmpty)
                #expect(access(bed.engine.logPath("c1"), F_OK) != 0)
                try await bed.engine.remove("c1")
            }
        }

        @Test func `a program that cannot be run is named with the reason, by start and by the exit`() async throws {
            try await withEngine { bed in
                let exits = bed.engine.exits()
                var missing = bed.script("")
                missing.arguments = ["no-such-program"]
                _ = try await bed.engine.prepare(missing)
                let error = await #expect(throws: ContainerError.self) { _ = try await bed.engine.start("c1") }
                #expect(error?.code == .wrongState)
                #expect(error?.description == "failed to start container c1: exec no-such-program: No such file or directory")
                let exit = await EngineBed.exit(of: "c1", in: exits)
                #expect(exit?.code == 127)
                #expect(exit?.failure == "exec no-such-program: No such file or directory")
                try await bed.engine.remove("c1")
                var directory = bed.script("")
                directory.arguments = ["/etc/passwd"]
                _ = try await bed.engine.prepare(directory)
                let refused = await #expect(throws: ContainerError.self) { _ = try await bed.engine.start("c1") }
                #expect(refused?.cause == "exec /etc/passwd: Permission denied")
            }
        }

        @Test func `what is missing or malformed is refused before anything is made`() async throws {
            try await withEngine { bed in
                var lacking = bed.script("")
                lacking.layers = ["\(bed.root)/nowhere"]
                let error = await #expect(throws: ContainerError.self) { _ = try await bed.engine.prepare(lacking) }
                #expect(error?.code == .resourceMissing)
                #expect(error?.cause == "open layer \(bed.root)/nowhere: No such file or directory")
                var unbound = bed.script("")
                unbound.mounts = [ContainerMount(kind: .bind, source: "\(bed.root)/no", target: "/data", readOnly: false)]
                let second = await #expect(throws: ContainerError.self) { _ = try await bed.engine.prepare(unbound) }
                #expect(second?.cause == "open mount source \(bed.root)/no: No such file or directory")
                #expect(access("\(bed.root)/state/containers/c1", F_OK) != 0)
                let refused: [(inout ContainerConfiguration) -> Void] = [
                    { $0.id = "../x" }, { $0.id = "" }, { $0.layers = [] }, { $0.arguments = [] }, { $0.arguments = ["a\0b"] },
                    { $0.workingDirectory = "x" }, { $0.capabilities = ["CAP_NO"] }, { $0.layers = ["relative"] },
                    { $0.mounts = [ContainerMount(kind: .tmpfs, source: "", target: "/", readOnly: false)] },
                    { $0.kernelSettings = ["kernel.panic": "1"] }, { $0.kernelSettings = ["net./../kernel.panic": "1"] },
                    { $0.kernelSettings = ["net...kernel.panic": "1"] }, { $0.outOfMemoryScore = 2000 },
                    { $0.resourceLimits = ["files": ResourceLimit(soft: 1, hard: 1)] },
                    { $0.resourceLimits = ["nofile": ResourceLimit(soft: 2, hard: 1)] },
                ]
                for change in refused {
                    var configuration = bed.script("")
                    change(&configuration)
                    let error = await #expect(throws: ContainerError.self) { _ = try await bed.engine.prepare(configuration) }
                    #expect(error?.code == .invalidConfiguration)
                }
                _ = try await bed.engine.prepare(bed.script(""))
                let again = await #expect(throws: ContainerError.self) { _ = try await bed.engine.prepare(bed.script("")) }
                #expect(again?.code == .alreadyExists)
                let absent = await #expect(throws: ContainerError.self) { _ = try await bed.engine.start("other") }
                #expect(absent?.code == .notFound)
            }
        }

        @Test func `a polite program ends on TERM with its own code, a deaf one on KILL`() async throws {
            try await withEngine { bed in
                let exits = bed.engine.exits()
                let polite = bed.script("trap 'exit 3' TERM; echo ready; while true; do sleep 0.01; done", id: "polite")
                let deaf = bed.script("trap '' TERM; echo ready; while true; do sleep 1; done", id: "deaf")
                for configuration in [polite, deaf] {
                    _ = try await bed.engine.prepare(configuration)
                    let pid = try #require(try await bed.engine.start(configuration.id).pid)
                    try await bed.waitForLine("ready", of: configuration.id)
                    try await bed.engine.signal(configuration.id, SIGTERM)
                    if configuration.id == "deaf" {
                        #expect(isAlive(pid))
                        try await bed.engine.signal("deaf", SIGKILL)
                    }
                }
                var ended: [String: ContainerExit] = [:]
                for await (id, exit) in exits {
                    ended[id] = exit
                    if ended.count == 2 { break }
                }
                #expect(ended["polite"] == ContainerExit(code: 3, signal: nil, outOfMemory: false, failure: nil))
                #expect(ended["deaf"] == ContainerExit(code: 137, signal: SIGKILL, outOfMemory: false, failure: nil))
            }
        }

        @Test func `many may remove one container at once, and its id is free after`() async throws {
            try await withEngine { bed in
                for round in 0..<3 {
                    _ = try await bed.engine.prepare(bed.script("sleep 1000"))
                    if round > 0 { _ = try await bed.engine.start("c1") }
                    await withTaskGroup(of: Void.self) { group in
                        for _ in 0..<8 {
                            group.addTask { await #expect(throws: Never.self) { try await bed.engine.remove("c1") } }
                        }
                    }
                    #expect(await bed.engine.list().isEmpty)
                }
            }
        }

        @Test func `removing ends what runs, and a prepared container that never started`() async throws {
            try await withEngine { bed in
                var pids: [Int32] = []
                pids.append(try #require(try await bed.engine.prepare(bed.script("sleep 1000", id: "held")).pid))
                _ = try await bed.engine.prepare(bed.script("sleep 1000 & sleep 1000", id: "runs"))
                pids.append(try #require(try await bed.engine.start("runs").pid))
                for id in ["held", "runs"] {
                    let guardPID = try #require(try await bed.engine.status(id).guardPID)
                    pids.append(guardPID)
                    try await bed.engine.remove(id)
                }
                for pid in pids { #expect(!isAlive(pid)) }
            }
        }

        @Test func `a frozen container stands still, and thaws, and can be killed frozen`() async throws {
            try await withEngine { bed in
                let exits = bed.engine.exits()
                _ = try await bed.engine.prepare(bed.script("while true; do echo x; sleep 0.01; done"))
                _ = try await bed.engine.start("c1")
                try await bed.waitForLine("x", of: "c1")
                try await bed.engine.freeze("c1")
                #expect(try await bed.engine.status("c1").state == .frozen)
                let still = bed.log("c1").count
                try await Task.sleep(for: .milliseconds(100))
                #expect(bed.log("c1").count <= still + 1)
                try await bed.engine.thaw("c1")
                #expect(try await bed.engine.status("c1").state == .running)
                try await bed.waitForLine("x", of: "c1", count: still + 3)
                try await bed.engine.freeze("c1")
                try await bed.engine.signal("c1", SIGKILL)
                #expect(await EngineBed.exit(of: "c1", in: exits)?.code == 137)
                try await bed.engine.remove("c1")
                _ = try await bed.engine.prepare(bed.script("sleep 1000", id: "c2"))
                _ = try await bed.engine.start("c2")
                try await bed.engine.freeze("c2")
                try await bed.engine.remove("c2")
            }
        }

        @Test func `a further process runs inside, its output and code come back, and a slow one is killed`() async throws {
            try await withEngine { bed in
                _ = try await bed.engine.prepare(bed.script("echo own > /tmp/here; echo ready; sleep 1000"))
                _ = try await bed.engine.start("c1")
                try await bed.waitForLine("ready", of: "c1")
                let (exit, output) = try await bed.engine.run(
                    "c1", arguments: ["sh", "-c", "cat /tmp/here; echo two >&2; exit 5"], timeoutMilliseconds: 5_000)
                #expect(exit.code == 5)
                #expect(String(decoding: output, as: UTF8.self) == "own\ntwo\n")
                let (large, much) = try await bed.engine.run(
                    "c1", arguments: ["seq", "1", "100000"], timeoutMilliseconds: 10_000)
                #expect(large.code == 0)
                #expect(much.count == 65_536)
                let (absent, _) = try await bed.engine.run("c1", arguments: ["no-such"], timeoutMilliseconds: 5_000)
                #expect(absent.code == 127)
                #expect(absent.failure == "exec no-such: No such file or directory")
                let slow = await #expect(throws: ContainerError.self) {
                    _ = try await bed.engine.run("c1", arguments: ["sleep", "1000"], timeoutMilliseconds: 50)
                }
                #expect(slow?.code == .timedOut)
                let (_, processes) = try await bed.engine.run("c1", arguments: ["ps"], timeoutMilliseconds: 5_000)
                let slept = String(decoding: processes, as: UTF8.self).split(separator: "\n").filter { $0.contains("sleep 1000") }
                #expect(slept.count == 1)
            }
        }
    }
}
