import Glibc
import OCIRuntime
import Testing

extension BundleTests {
    @Suite(.serialized) struct HookTests {
        private func hook(_ bed: RuntimeBed, _ script: String) -> String {
            #"{"path": "/bin/sh", "args": ["sh", "-c", "\#(script)"], "env": ["WHO=hook"]}"#
        }

        @Test func `Hooks run in the order of the specification, each with the state of then on its standard input`() throws {
            try withBed { bed in
                bed.configuration.root?.readonly = false
                let log = "\(bed.bundle)/rootfs/tmp/log"
                func said(_ point: String, _ file: String) -> String {
                    hook(
                        bed,
                        "read -r state; echo \(point) $WHO $(echo $state | grep -o 'status[^,}]*' | tr -d '\\\\042') >> \(file)")
                }
                bed.configuration.hooks = BundleConfiguration.Hooks()
                for point in [
                    (\BundleConfiguration.hooksOrEmpty.prestart, "prestart"), (\.hooksOrEmpty.createRuntime, "createRuntime"),
                    (\.hooksOrEmpty.createContainer, "createContainer"), (\.hooksOrEmpty.poststart, "poststart"),
                    (\.hooksOrEmpty.poststop, "poststop"),
                ] { try bed.add(said(point.1, log), to: point.0) }
                try bed.add(
                    #"{"path": "/bin/sh", "args": ["sh", "-c", "echo startContainer $WHO $(grep -o 'status[^,}]*') >> /tmp/log"]}"#,
                    to: \.hooksOrEmpty.startContainer)
                bed.script("sleep 0.3; echo program >> /tmp/log")
                try #expect(bed.create().status == 0)
                let created = contents(log).split(separator: "\n").map { $0.split(separator: " ").first.map(String.init) ?? "" }
                #expect(created == ["prestart", "createRuntime", "createContainer"])
                let started = bed.runtime("start", "c1")
                #expect(started.status == 0, "\(started.errors)")
                try bed.wait(for: .stopped)
                #expect(bed.runtime("delete", "c1").status == 0)
                let lines = contents(log).split(separator: "\n").map(String.init)
                #expect(
                    lines.map { $0.split(separator: " ").first.map(String.init) ?? "" } == [
                        "prestart", "createRuntime", "createContainer", "startContainer", "poststart", "program", "poststop",
                    ], "\(lines)")
                #expect(lines.prefix(2) == ["prestart hook status:created", "createRuntime hook status:creating"], "\(lines)")
                #expect(lines.last == "poststop hook status:stopped", "\(lines)")
            }
        }

        @Test(arguments: ["prestart", "createRuntime", "createContainer"])
        func `A hook that fails before the program ends the create`(point: String) throws {
            try withBed { bed in
                let failing = hook(bed, "exit 3")
                switch point {
                case "prestart": try bed.add(failing, to: \.hooksOrEmpty.prestart)
                case "createRuntime": try bed.add(failing, to: \.hooksOrEmpty.createRuntime)
                default: try bed.add(failing, to: \.hooksOrEmpty.createContainer)
                }
                let stopped = "\(bed.root)/stopped"
                try bed.add(hook(bed, "touch \(stopped)"), to: \.hooksOrEmpty.poststop)
                let made = try bed.create()
                #expect(made.status == 1 && made.errors.contains("exit code 3"), "\(made.errors)")
                #expect(bed.runtime("state", "c1").status == 1)
                #expect(access(stopped, F_OK) == 0, "the lifecycle goes on with the poststop hooks")
            }
        }

        @Test func `A hook that fails at start or after it ends the container, one at the end only warns`() throws {
            try withBed { bed in
                let plain = bed.configuration
                bed.configuration.root?.readonly = false
                bed.script("touch /tmp/ran; sleep 100")
                try bed.add(#"{"path": "/bin/false"}"#, to: \.hooksOrEmpty.startContainer)
                try #expect(bed.create().status == 0)
                #expect(bed.runtime("start", "c1").status == 1)
                try bed.wait(for: .stopped)
                #expect(bed.runtime("delete", "c1").status == 0)
                #expect(access("\(bed.bundle)/rootfs/tmp/ran", F_OK) != 0)

                bed.configuration.hooks = nil
                try bed.add(#"{"path": "/bin/false"}"#, to: \.hooksOrEmpty.poststart)
                try #expect(bed.create().status == 0)
                #expect(bed.runtime("start", "c1").status == 1)
                #expect(bed.runtime("state", "c1").status == 1)

                bed.configuration = plain
                bed.script("true")
                let after = "\(bed.root)/after"
                try bed.add(#"{"path": "/bin/false"}"#, to: \.hooksOrEmpty.poststop)
                try bed.add(hook(bed, "touch \(after)"), to: \.hooksOrEmpty.poststop)
                let ran = try bed.run()
                #expect(ran.status == 0 && ran.errors.contains("poststop hook failed"), "\(ran.errors)")
                #expect(access(after, F_OK) == 0)
            }
        }

        @Test func `A hook over its time is killed and has failed`() throws {
            try withBed { bed in
                try bed.add(#"{"path": "/bin/sleep", "args": ["sleep", "50"], "timeout": 1}"#, to: \.hooksOrEmpty.createContainer)
                let made = try bed.create()
                #expect(made.status == 1 && made.errors.contains("wait 1 s for hook"), "\(made.errors)")
            }
        }
    }
}
