import ContainerCore
import Glibc
import Testing

/// Attacks known from other runtimes.
extension EngineTests {
    @Suite struct Escapes {
        /// CVE-2019-5736: a container that overwrites the runtime's executable through /proc/PID/exe.
        @Test(arguments: [true, false])
        func `the runtime's executable cannot be reached from inside`(userNamespace: Bool) async throws {
            try await withEngine { bed in
                let before = text(EngineBed.initPath).utf8.count
                var configuration = bed.script(
                    """
                    for p in 1 self $$; do
                      for i in 1 2 3; do echo evil > /proc/$p/exe && echo WROTE $p; done
                    done 2>/dev/null
                    # Any process of the runtime that shows up: its executable, again and again.
                    ( n=0; while [ $n -lt 40 ]; do
                        for p in /proc/[0-9]*; do
                          case $(readlink $p/exe) in *sidekick-init*) echo evil > $p/exe && echo WROTE $p;; esac
                        done
                        n=$((n+1))
                      done ) 2>/dev/null &
                    echo ready
                    wait
                    sleep 1000
                    """)
                configuration.userNamespace = userNamespace
                // A program that is "the runtime itself".
                let evil = open("\(bed.layer)/bin/evil", O_WRONLY | O_CREAT | O_CLOEXEC, 0o755)
                _ = write(evil, "#!/proc/self/exe\n", 17)
                Glibc.close(evil)
                _ = try await bed.engine.prepare(configuration)
                _ = try await bed.engine.start("c1")
                try await bed.waitForLine("ready", of: "c1")
                for _ in 0..<4 {
                    _ = try await bed.engine.run("c1", arguments: ["/bin/evil"], timeoutMilliseconds: 5_000)
                    _ = try await bed.engine.run("c1", arguments: ["/bin/true"], timeoutMilliseconds: 5_000)
                }
                #expect(bed.log("c1").filter { $0.text.contains("WROTE") } == [])
                #expect(text(EngineBed.initPath).utf8.count == before)
                try await bed.engine.remove("c1")
                #expect(try await bed.finish(bed.script("exit 4")).exit.code == 4)
            }
        }

        /// CVE-2024-21626: a working directory, or a program, that is a descriptor the runtime left open to the host.
        @Test func `no descriptor of the runtime leads to the host`() async throws {
            try await withEngine { bed in
                for number in 3..<24 {
                    var configuration = bed.script("pwd; ls ../../../etc/shadow")
                    configuration.workingDirectory = "/proc/self/fd/\(number)"
                    await #expect(throws: ContainerError.self, "descriptor \(number)") {
                        _ = try await bed.engine.prepare(configuration)
                    }
                    var program = bed.script("")
                    program.arguments = ["/proc/self/fd/\(number)/bin/true"]
                    _ = try await bed.engine.prepare(program)
                    await #expect(throws: ContainerError.self) { _ = try await bed.engine.start("c1") }
                    try await bed.engine.remove("c1")
                }
            }
        }

        /// CVE-2025-31133 and its kin: an image whose /dev/null, /dev or /proc is something else, so that masks hide nothing.
        @Test func `an image cannot turn the masks against what they hide`() async throws {
            try await withEngine { bed in
                mkdir("\(bed.layer)/dev", 0o755)
                symlink("/proc/keys", "\(bed.layer)/dev/null")
                let (_, lines) = try await bed.finish(
                    bed.script(
                        "cat /proc/keys; stat -c '%F %t:%T' /dev/null; echo 1 2>/dev/null > /proc/sys/kernel/panic || echo refused"
                    ))
                #expect(lines.map(\.text) == ["character special file 1:3", "refused"])
            }
            for place in ["/etc", "/proc/self/fd", "/sys", "/../../../../tmp"] {
                try await withEngine { bed in
                    symlink(place, "\(bed.layer)/dev")
                    let configuration = bed.script("cat /proc/keys; echo 1 > /proc/sys/kernel/panic && echo WROTE")
                    // Refused, or built inside the root and masked all the same.
                    guard let (_, lines) = try? await bed.finish(configuration) else { return }
                    #expect(lines.filter { $0.stream == "stdout" } == [], "\(place)")
                }
            }
        }

        @Test func `a mount point that is a link stays inside`() async throws {
            try await withEngine { bed in
                mkdir("\(bed.root)/target", 0o755)
                mkdir("\(bed.root)/volume", 0o755)
                symlink("\(bed.root)/target", "\(bed.layer)/data")
                symlink("../../../../..\(bed.root)/target", "\(bed.layer)/up")
                var configuration = bed.script("touch /data/x /up/y && ls \(bed.root)/target")
                configuration.mounts = [
                    ContainerMount(kind: .tmpfs, source: "", target: "/data", readOnly: false),
                    ContainerMount(kind: .bind, source: "\(bed.root)/volume", target: "/up", readOnly: false),
                ]
                let (exit, lines) = try await bed.finish(configuration)
                #expect(exit.code == 0)
                #expect(lines.map(\.text) == ["x", "y"])
                #expect(EngineTests.entries("\(bed.root)/target") == [])
                #expect(EngineTests.entries("\(bed.root)/volume") == ["x", "y"])
            }
        }

        @Test func `what a container piles up deep below its root is removed with it`() async throws {
            try await withEngine { bed in
                let script =
                    "cd /tmp; i=0; while [ $i -lt 1500 ]; do mkdir d && cd d && touch f || exit 1; i=$((i+1)); done; echo deep"
                let (exit, lines) = try await bed.finish(bed.script(script))
                #expect(exit.code == 0 && lines.last?.text == "deep")
                for _ in 0..<2_000 where EngineTests.entries("\(bed.root)/state/trash") != [] {
                    try await Task.sleep(for: .milliseconds(5))
                }
                #expect(EngineTests.entries("\(bed.root)/state/trash") == [])
            }
        }

        @Test func `output without end is rotated and bounded, and a full log holds nobody up`() async throws {
            try await withEngine { bed in
                var configuration = bed.script("seq 1 20000; echo last")
                configuration.log.maximumBytes = 100_000
                configuration.log.maximumFiles = 3
                let exits = bed.engine.exits()
                _ = try await bed.engine.prepare(configuration)
                _ = try await bed.engine.start("c1")
                #expect(await EngineBed.exit(of: "c1", in: exits)?.code == 0)
                let path = bed.engine.logPath("c1")
                let files = EngineTests.entries("\(bed.root)/state/containers/c1").filter { $0.hasPrefix("log") }
                #expect(files == ["log", "log.1", "log.2"])
                for file in files { #expect(text("\(bed.root)/state/containers/c1/\(file)").utf8.count <= 100_000) }
                // Pieces of lines put together again are the lines.
                let lines = ["\(path).2", "\(path).1", path].flatMap { EngineBed.lines(text($0)) }
                let whole = lines.map { $0.text + ($0.tag == "F" ? "\n" : "") }.joined().split(separator: "\n")
                #expect(whole.last == "last")
                #expect(whole.dropLast().suffix(100).map { Int($0) ?? 0 } == Array(19_901...20_000))
            }
        }
    }
}
