import Foundation
import Testing

/// `sidekick container`, as an operator without a controller uses it.
@Suite(.serialized) struct ContainerVerbTests {
    /// Directories, an instance name and an image of busybox of a test's own.
    private struct Bench {
        let name = "c" + String(UInt16.random(in: 0...UInt16.max), radix: 16)
        let subnet = "10.250.\(Int.random(in: 0...255)).0/24"
        var root: String { "/tmp/sk-\(name)" }

        func make() async throws {
            let bin = "\(root)/rootfs/bin"
            for directory in [bin, "\(root)/rootfs/etc"] {
                try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
            }
            try FileManager.default.copyItem(atPath: "/bin/busybox", toPath: "\(bin)/busybox")
            for applet in ["sh", "cat", "id", "ls", "sleep", "touch", "hostname", "wc", "stty", "tty", "df", "mount", "grep"] {
                try FileManager.default.createSymbolicLink(atPath: "\(bin)/\(applet)", withDestinationPath: "busybox")
            }
            try "root:x:0:0:root:/:/bin/sh\nweb:x:7:8:web:/:/bin/sh\n".write(
                toFile: "\(root)/rootfs/etc/passwd", atomically: true, encoding: .utf8)
            _ = try await Programs.run("/bin/tar", ["-C", "\(root)/rootfs", "-cf", "\(root)/bb.tar", "."])
            try await must("import", [], ["--name", "bb:1", "\(root)/bb.tar"])
        }

        /// - Parameter before: whether the first word is the verb's own subcommand.
        func words(_ verb: String, _ words: [String], before: Bool = false) -> [String] {
            let options = ["--data", "\(root)/data", "--run", "\(root)/run", "--images", "\(root)/images", "--instance", name]
            let subcommand = before ? Array(words.prefix(1)) : []
            return [Programs.sidekick, "container", verb] + subcommand + options + ["--subnet", subnet]
                + words.dropFirst(subcommand.count)
        }

        /// Starts a verb on a terminal.
        func begin(_ verb: String, _ words: [String], on terminal: PseudoTerminal) throws -> Process {
            let process = Process()
            let all = self.words(verb, words)
            process.executableURL = URL(filePath: all[0])
            process.arguments = Array(all.dropFirst())
            process.standardInput = terminal.operatorSide
            process.standardOutput = terminal.operatorSide
            process.standardError = terminal.operatorSide
            try process.run()
            return process
        }

        func verb(_ verb: String, _ words: [String], before: Bool = false) async throws -> Programs.Outcome {
            let all = self.words(verb, words, before: before)
            return try await Programs.run(all[0], Array(all.dropFirst()))
        }

        @discardableResult
        func must(_ verb: String, _ options: [String], _ words: [String], before: Bool = false) async throws -> String {
            let outcome = try await self.verb(verb, options + words, before: before)
            guard outcome.code == 0 else {
                throw HarnessError("container \(verb) \(words): \(outcome.code) \(outcome.output)\(outcome.errors)")
            }
            return outcome.output
        }
    }

    private func withBench(_ body: (Bench) async throws -> Void) async throws {
        let bench = Bench()
        try await bench.make()
        do {
            try await body(bench)
        } catch {
            _ = try? await bench.verb("destroy", [])
            throw error
        }
        try await bench.must("destroy", [], [])
        let left = ProcessTable.all().filter { $0.words.contains { $0.contains(bench.root) } }
        #expect(left.isEmpty, "\(left)")
        #expect(!FileManager.default.fileExists(atPath: "/sys/class/net/skbr-\(bench.name)"))
        try FileManager.default.removeItem(atPath: bench.root)
    }

    @Test func `a container in the foreground shows all it wrote and gives its exit code`() async throws {
        try await withBench { bench in
            let outcome = try await bench.verb(
                "run",
                ["--rm", "--hostname", "inside", "--env", "WORD=seen", "bb:1", "/bin/sh", "-c", "echo $WORD; hostname; exit 7"])
            #expect(outcome.code == 7)
            #expect(outcome.output == "seen\ninside\n", "\(outcome.errors)")
            #expect(try await bench.must("ps", [], []) == "no containers\n")
            let user = try await bench.must("run", ["--rm", "--user", "web"], ["bb:1", "/bin/id", "-u"])
            #expect(user == "7\n")
        }
    }

    @Test func `a detached container is seen, entered, committed, stopped and removed`() async throws {
        try await withBench { bench in
            try await bench.must(
                "run", ["-d", "--name", "w", "--memory", "32MiB"],
                ["bb:1", "/bin/sh", "-c", "touch /new; echo up; exec sleep 1000"])
            #expect(try await bench.must("exec", [], ["w", "/bin/cat", "/proc/1/comm"]).isEmpty == false)
            #expect(try await bench.verb("exec", ["w", "/bin/sh", "-c", "exit 5"]).code == 5)
            _ = try await eventually("it wrote to its log") {
                try await bench.must("logs", [], ["w"])
            } until: {
                $0 == "up\n"
            }
            #expect(try await bench.must("stats", [], []).contains("w "))
            try await bench.must("commit", [], ["w", "bb:2"])
            #expect(try await bench.must("run", ["--rm"], ["bb:2", "/bin/ls", "/new"]) == "/new\n")
            #expect(try await bench.verb("rm", ["w"]).code == 2, "a running container is not removed without --force")
            try await bench.must("stop", ["--grace", "1s"], ["w"])
            let code = try await bench.must("wait", [], ["w"])
            #expect(["143\n", "137\n"].contains(code))
            try await bench.must("rm", [], ["w"])
        }
    }

    @Test func `a named volume outlives its containers, is not removed from under them, and logs say when`() async throws {
        try await withBench { bench in
            let write = try await bench.must(
                "run", ["--rm", "-v", "store:/data", "--user", "web", "--ulimit", "nofile=77:99"],
                ["bb:1", "/bin/sh", "-c", "ulimit -n; touch /data/x 2>/dev/null || echo root only"])
            #expect(write == "77\nroot only\n")
            try await bench.must(
                "run", ["-d", "--name", "w", "-v", "store:/data"],
                ["bb:1", "/bin/sh", "-c", "touch /data/kept; echo up; exec sleep 1000"])
            let logs = try await eventually("it wrote to its log") {
                try await bench.must("logs", ["-t"], ["w"])
            } until: {
                $0.hasSuffix("Z up\n")
            }
            #expect(logs.hasPrefix("20") && logs.utf8.count == 34, "\(logs)")
            #expect(try await bench.must("volume", [], ["ls"], before: true).contains("store  w"))
            let held = try await bench.verb("volume", ["rm", "store"], before: true)
            #expect(held.code == 2 && held.errors.contains("mounted by w"), "\(held.errors)")
            try await bench.must("rm", ["--force"], ["w"])
            let seen = try await bench.must(
                "run", ["--rm", "-v", "store:/data:ro"],
                ["bb:1", "/bin/sh", "-c", "ls /data; touch /data/no 2>/dev/null || echo read-only"])
            #expect(seen == "kept\nread-only\n")
            #expect(try await bench.must("volume", [], ["rm", "store"], before: true) == "store\n")
            #expect(try await bench.must("volume", [], ["ls"], before: true) == "no volumes\n")
        }
    }

    @Test func `an operator's terminal is the container's, follows its size, detaches, comes back, and enters it`() async throws {
        try await withBench { bench in
            let terminal = try PseudoTerminal(rows: 30, columns: 90)
            var run = try bench.begin(
                "run",
                [
                    "-it", "--name", "w", "bb:1", "/bin/sh", "-c",
                    "tty; stty size; while read w; do echo said $w; stty size; done; exit 6",
                ],
                on: terminal)
            try await terminal.wait(for: "30 90")
            #expect(terminal.isRaw)
            terminal.type("one\r")
            try await terminal.wait(for: "said one")
            terminal.resize(rows: 12, columns: 40)
            kill(run.processIdentifier, SIGWINCH)
            try await Task.sleep(for: .milliseconds(300))
            terminal.type("two\r")
            try await terminal.wait(for: "12 40")
            terminal.type("\u{10}\u{11}")
            await run.end()
            #expect(run.terminationStatus == 0 && !terminal.isRaw, "detached, and the terminal is as it was")
            #expect(try await bench.must("top", [], ["w"]).contains("stty size"))
            let shell = try bench.begin("exec", ["-it", "w", "/bin/sh"], on: terminal)
            terminal.type("stty size; tty; exit 3\r")
            try await terminal.wait(for: "/dev/pts/1")
            await shell.end()
            #expect(shell.terminationStatus == 3)
            run = try bench.begin("attach", ["w"], on: terminal)
            terminal.type("three\r")
            try await terminal.wait(for: "said three")
            terminal.type("\u{4}")
            await run.end()
            #expect(run.terminationStatus == 6, "\(terminal.text)")
            try await bench.must("rm", [], ["w"])
            let piped = try await Programs.run(
                "/bin/sh",
                ["-c", "echo piped | \(bench.words("run", ["-i", "--rm", "bb:1", "/bin/cat"]).joined(separator: " "))"])
            #expect(piped.output == "piped\n", "\(piped.errors)")
            let refused = try await bench.verb("run", ["-it", "bb:1", "/bin/sh"])
            #expect(refused.code == 2 && refused.errors.contains("needs a terminal"))
        }
    }

    @Test func `a read-only container without capabilities and network has none of them`() async throws {
        try await withBench { bench in
            let outcome = try await bench.verb(
                "run",
                [
                    "--rm", "--read-only", "--cap-drop", "ALL", "--no-network", "--tmpfs", "/scratch:1MiB", "bb:1", "/bin/sh",
                    "-c",
                    "touch /x 2>/dev/null || echo refused; touch /scratch/y && echo made; cat /proc/self/status",
                ])
            #expect(outcome.output.hasPrefix("refused\nmade\n"), "\(outcome.output)\(outcome.errors)")
            #expect(outcome.output.contains("CapEff:\t0000000000000000"))
            #expect(outcome.output.contains("NoNewPrivs:\t1"))
        }
    }

    @Test func `what cannot run is refused with the reason and leaves nothing`() async throws {
        try await withBench { bench in
            let program = try await bench.verb("run", ["bb:1", "/bin/nothing"])
            #expect(program.code == 1 && program.errors.contains("/bin/nothing: No such file or directory"), "\(program.errors)")
            let image = try await bench.verb("run", ["bb:9", "/bin/sh"])
            #expect(image.code == 2 && image.errors.contains("bb:9"), "\(image.errors)")
            let memory = try await bench.verb("run", ["--memory", "lots", "bb:1", "/bin/id"])
            #expect(memory.code == 2 && memory.errors.contains("64MiB"), "\(memory.errors)")
            #expect(try await bench.must("ps", [], []) == "no containers\n")
        }
    }
}
