import Glibc
import OCIRuntime
import Testing

/// Every test of the runtime, one at a time: they use the host's control groups, mounts and processes.
@Suite(.serialized) enum BundleTests {}

extension BundleTests {
    @Suite(.serialized) struct LifecycleTests {
        @Test func `A container is created, started, ends and is deleted, and its state document follows`() throws {
            try withBed { bed in
                bed.script("exec sleep 100")
                bed.configuration.annotations = ["org.example.key": "value", "two": "2"]
                let made = try bed.create("c1", "--pid-file", "\(bed.root)/pid")
                #expect(made.status == 0, "\(made.errors)")
                let created = try bed.state()
                #expect(created.status == .created && created.id == "c1" && created.bundle == bed.bundle)
                #expect(created.annotations == ["org.example.key": "value", "two": "2"] && created.ociVersion == "1.0.2")
                #expect(contents("\(bed.root)/pid") == String(created.pid))
                #expect(contents("/proc/\(created.pid)/comm") != "sleep\n")
                #expect(bed.runtime("start", "c1").status == 0)
                try #expect(bed.state().status == .running)
                #expect(contents("/proc/\(created.pid)/comm") == "sleep\n", "the program is the container's first process")
                #expect(contents("/proc/\(created.pid)/status").contains("NSpid:\t\(created.pid)\t1\n"))
                #expect(bed.runtime("start", "c1").status == 1, "what runs cannot be started again")
                #expect(bed.runtime("kill", "c1", "KILL").status == 0)
                try bed.wait(for: .stopped)
                try #expect(bed.state().pid == 0)
                #expect(bed.runtime("kill", "c1", "KILL").status == 1, "what has stopped takes no signal")
                #expect(bed.runtime("delete", "c1").status == 0)
                #expect(bed.runtime("state", "c1").status == 1)
                #expect(bed.runtime("delete", "c1").status == 1)
            }
        }

        @Test func `What is created or runs is not deleted but by force, and the refusal changes nothing`() throws {
            try withBed { bed in
                bed.script("sleep 100")
                try #expect(bed.create().status == 0)
                #expect(bed.runtime("delete", "c1").status == 1)
                try #expect(bed.state().status == .created)
                #expect(bed.runtime("start", "c1").status == 0)
                #expect(bed.runtime("delete", "c1").status == 1)
                try #expect(bed.state().status == .running)
                #expect(bed.runtime("delete", "--force", "c1").status == 0)
                #expect(bed.runtime("delete", "--force", "c1").status == 0, "by force it may be gone already")
            }
        }

        @Test func `An id is taken once, and what is missing is told`() throws {
            try withBed { bed in
                bed.script("sleep 100")
                try #expect(bed.create().status == 0)
                let twice = try bed.create()
                #expect(twice.status == 1 && twice.errors.contains("exists already"))
                try #expect(bed.state().status == .created, "the first is unharmed")
                for command in ["create", "start", "state", "kill", "delete"] {
                    #expect(bed.runtime(command).status == 1, "\(command)")
                }
                for command in ["start", "state", "kill", "delete"] {
                    let unknown = bed.runtime(command, "nobody")
                    #expect(unknown.status == 1 && unknown.errors.contains("does not exist"), "\(command)")
                }
                #expect(bed.runtime("create", "../x").status == 1)
                #expect(bed.runtime("kill", "c1", "NOSIGNAL").status == 1)
            }
        }

        @Test func `What changes in the bundle after create is without effect`() throws {
            try withBed { bed in
                bed.script("echo first > /tmp/said")
                bed.configuration.root?.readonly = false
                try #expect(bed.create().status == 0)
                bed.script("echo second > /tmp/said")
                try bed.save()
                #expect(bed.runtime("start", "c1").status == 0)
                try bed.wait(for: .stopped)
                #expect(contents("\(bed.bundle)/rootfs/tmp/said") == "first\n")
            }
        }

        @Test func `A configuration that cannot be honoured makes no container`() throws {
            try withBed { bed in
                let good = bed.configuration
                var bad: [(String, BundleConfiguration)] = []
                func refuse(_ what: String, _ change: (inout BundleConfiguration) throws -> Void) rethrows {
                    var configuration = good
                    try change(&configuration)
                    bad.append((what, configuration))
                }
                refuse("ociVersion") { $0.ociVersion = "2.0.0" }
                refuse("rlimits") { $0.process?.rlimits?[0].type = "RLIMIT_TEST" }
                refuse("effective") { $0.process?.capabilities?.effective = ["CAP_TEST"] }
                refuse("args") { $0.process?.args = [] }
                refuse("cwd") { $0.process?.cwd = "relative" }
                refuse("hostname") { $0.linux?.namespaces?.removeAll { $0.type == "uts" } }
                refuse("kernel.shm_rmid_forced") {
                    $0.linux?.sysctl = ["kernel.shm_rmid_forced": "0"]; $0.linux?.namespaces?.removeAll { $0.type == "ipc" }
                }
                refuse("vm.swappiness") { $0.linux?.sysctl = ["vm.swappiness": "1"] }
                refuse("nosuchfs") { $0.mounts?[0].type = "nosuchfs" }
                refuse("nosuchoption") { $0.mounts?[1].options = ["nosuchoption"] }
                refuse("rootfsPropagation") { $0.linux?.rootfsPropagation = "sideways" }
                refuse("No such file or directory") { $0.root?.path = "nowhere" }
                refuse("executable file not found in $PATH") { $0.process?.args = ["nosuchprogram"] }
                refuse("nosuchprofile") { $0.process?.apparmorProfile = "nosuchprofile" }
                for (what, configuration) in bad {
                    bed.configuration = configuration
                    let made = try bed.create()
                    #expect(made.status == 1 && made.errors.contains(what), "\(what): \(made.errors)")
                    #expect(bed.runtime("list", "-q").output == "", "\(what)")
                }
            }
        }

        @Test func `Errors go to the log as JSON lines that clients read`() throws {
            try withBed { bed in
                bed.configuration.process?.args = ["nosuchprogram"]
                try bed.save()
                #expect(bed.runtime("--log", "\(bed.root)/log", "--log-format=json", "create", "c1").status == 1)
                let log = contents("\(bed.root)/log")
                #expect(log.contains("\"level\":\"error\"") && log.contains("No such file or directory"), "\(log)")
            }
        }

        @Test func `The exit code of run is the program's, or says its signal`() throws {
            try withBed { bed in
                try #expect(bed.run("exit 7").status == 7)
                bed.configuration.linux?.namespaces?.removeAll { $0.type == "pid" }
                try #expect(bed.run("kill -9 $$").status == 137)
            }
        }

        @Test func `A container is paused, resumed, listed and its processes told`() throws {
            try withBed { bed in
                bed.script("sleep 100 & sleep 100")
                try bed.save()
                #expect(bed.runtime("run", "--detach", "c1").status == 0)
                #expect(bed.runtime("pause", "c1").status == 0)
                try #expect(bed.state().status == .paused)
                #expect(bed.runtime("pause", "c1").status == 1)
                #expect(bed.runtime("exec", "c1", "true").status == 1)
                #expect(bed.runtime("resume", "c1").status == 0)
                try #expect(bed.state().status == .running)
                let processes: [Int32] = try bed.part(bed.runtime("ps", "--format", "json", "c1").output)
                let first = try bed.state().pid
                #expect(processes.count == 2 && processes.contains(first), "\(processes)")
                #expect(bed.runtime("list").output.contains("running"))
                let listed: [StateDocument] = try bed.part(bed.runtime("list", "--format=json").output)
                #expect(listed.map(\.id) == ["c1"])
                #expect(bed.runtime("events", "--stats", "c1").output.contains("\"pids\":{\"current\":"))
                #expect(bed.runtime("kill", "--all", "c1", "9").status == 0)
                try bed.wait(for: .stopped)
            }
        }

        @Test func `A create that was killed leaves what delete by force removes`() throws {
            try withBed { bed in
                // Held by a hook that does not end.
                try bed.add(#"{"path": "/bin/sleep", "args": ["sleep", "100"]}"#, to: \.hooksOrEmpty.prestart)
                try bed.save()
                let killed = Command.run(
                    "\(bed.root)/sidekick-runtime", ["--root", "\(bed.root)/state", "create", "c1"], directory: bed.bundle,
                    timeout: 2)
                #expect(killed.status == 137)
                let deleted = bed.runtime("delete", "--force", "c1")
                #expect(deleted.status == 0, "\(deleted.errors)")
                #expect(bed.runtime("list", "-q").output == "")
            }
        }
    }
}

extension BundleConfiguration {
    var hooksOrEmpty: Hooks {
        get { hooks ?? Hooks() }
        set { hooks = newValue }
    }
}
