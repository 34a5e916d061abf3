import ContainerCore
import Glibc
import LinuxShims
import Synchronization
import Testing

/// The whole life of a container in a process of its own (this bundle again), which kills itself after one step: what it leaves is found
/// and removed by the next engine.
extension EngineTests {
    @Suite struct Crashes {
        private static let steps: [String] = [
            "cgroup made", "guard started", "namespaces made", "cgroup joined", "directory made", "plan sent", "limits set",
            "network attached", "prepared", "record saved", "start asked", "started", "signal sent", "end asked", "rest killed",
            "cgroup removed", "socket removed", "network detached", "directory removed",
        ]

        @Test(arguments: steps, EngineBed.isEmulated ? [0] : [0, 2])
        func `whatever an engine killed at any step leaves is removed by the next`(step: String, readyCradles: Int) async throws {
            try await withEngine(subnet: "10.214.0.0/24", readyCradles: readyCradles) { bed in
                await bed.engine.shutdown()
                try runVictim(bed, step)
                let next = try await bed.replaceEngine()
                for status in try await next.recover() {
                    try await next.remove(status.id)
                }
                await next.shutdown()
                #expect(EngineTests.entries("\(bed.root)/run") == [])
                #expect(EngineTests.entries("\(bed.root)/state/containers") == [])
                let name = "sidekick-\(bed.configuration.name)"
                for cgroups in ["pids", "memory", "unified", "."] {
                    let left = EngineTests.entries("/sys/fs/cgroup/\(cgroups)/\(name)").filter { $0.contains("-") }
                    #expect(left == [], "\(cgroups)")
                }
                let ports = EngineTests.entries("/sys/class/net/skbr-\(bed.configuration.name)/brif")
                #expect(ports == [])
                _ = try await bed.replaceEngine().recover()
            }
        }

        private func runVictim(_ bed: EngineBed, _ step: String) throws {
            setenv("SIDEKICK_CRASH_STEP", step, 1)
            setenv("SIDEKICK_CRASH_NAME", bed.configuration.name, 1)
            setenv("SIDEKICK_CRASH_READY", "\(bed.configuration.readyCradles)", 1)
            defer { for name in ["STEP", "NAME", "READY"] { unsetenv("SIDEKICK_CRASH_\(name)") } }
            var pid: pid_t = 0
            let words = ["/proc/self/exe", "--testing-library", "swift-testing", "--filter", "VictimOfCrashTests"]
            let arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
            defer { for argument in arguments { free(argument) } }
            var actions = posix_spawn_file_actions_t()
            posix_spawn_file_actions_init(&actions)
            defer { posix_spawn_file_actions_destroy(&actions) }
            posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
            posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)
            try #require(posix_spawn(&pid, "/proc/self/exe", &actions, nil, arguments, environ) == 0)
            var status: Int32 = 0
            while waitpid(pid, &status, 0) < 0, errno == EINTR {}
            #expect(status == SIGKILL, "the victim ended with status \(status) before it came to the step")
        }
    }

    static func entries(_ path: String) -> [String] {
        guard let directory = opendir(path) else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }
}

private func environmentValue(_ name: String) -> String? { getenv("SIDEKICK_CRASH_\(name)").map { String(cString: $0) } }

@Suite(.enabled(if: environmentValue("STEP") != nil)) struct VictimOfCrashTests {
    @Test func `a life until the step`() async throws {
        let last = try #require(environmentValue("STEP")), name = try #require(environmentValue("NAME"))
        let root = "/var/lib/sidekick-\(name)"
        let configuration = EngineConfiguration(
            name: name, stateDirectory: "\(root)/state", runDirectory: "\(root)/run", initPath: EngineBed.initPath,
            subnet: "10.214.0.0/24", readyCradles: Int(environmentValue("READY") ?? "") ?? 0)
        let engine = try ContainerEngine(configuration) { step in
            if step.description == last { kill(getpid(), SIGKILL) }
        }
        _ = try await engine.recover()
        for id in ["first", "second"] {
            let exits = engine.exits()
            var made = ContainerConfiguration(
                id: id, layers: ["\(root)/layer"],
                arguments: ["/bin/sh", "-c", "trap 'exit 0' TERM; while true; do sleep 0.01; done"])
            made.limits.pids = 50
            _ = try await engine.prepare(made)
            _ = try await engine.start(id)
            if id == "first" {
                try await engine.signal(id, SIGTERM)
                _ = await EngineBed.exit(of: id, in: exits)
            }
            try await engine.remove(id)
        }
        // Waits for the interfaces' end, which is a step too.
        await engine.shutdown()
    }
}
