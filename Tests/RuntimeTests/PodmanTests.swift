import Glibc
import LinuxShims
import Testing

/// Real podman commands, each run with crun and with our runtime, must come out alike. Both go through the same script at once, each with
/// a store of its own.
@Suite(.serialized) struct PodmanTests {
    private static let isUsable = access("/usr/bin/podman", X_OK) == 0 && access("/usr/bin/crun", X_OK) == 0 && geteuid() == 0

    @Test(.enabled(if: isUsable, "podman and crun are not installed"))
    func `podman does with our runtime what it does with crun`() async throws {
        let root = "/var/lib/sidekick-podman-\(getpid())"
        try #require(mkdir(root, 0o755) == 0)
        let hadGroups = !groups().isEmpty
        defer {
            clean(root)
            if !hadGroups { removeGroups() }
        }
        symlink(RuntimeBed.sidekick, "\(root)/sidekick-runtime")
        let seesHugetlb = mountHugetlb()
        defer { if seesHugetlb { unmountHugetlb() } }
        put(PodmanCases.script, in: "\(root)/cases.sh", mode: 0o755)
        for name in ["crun", "ours"] { try #require(mkdir("\(root)/\(name)", 0o755) == 0) }
        async let theirs = Self.cases(root, "crun", "/usr/bin/crun")
        async let ours = Self.cases(root, "ours", "\(root)/sidekick-runtime")
        let (expected, got) = await (theirs, ours)
        #expect(expected.count > 40, "\(expected)")
        for (name, outcome) in expected.sorted(by: { $0.key < $1.key }) {
            #expect(got[name] == outcome, "\(name)")
        }
        #expect(Set(got.keys) == Set(expected.keys))
    }

    /// What each case printed, with its exit code.
    @concurrent private static func cases(_ root: String, _ name: String, _ runtime: String) async -> [String: String] {
        let ran = Command.run("bash", ["\(root)/cases.sh", "\(root)/\(name)", runtime], timeout: 900)
        var cases: [String: String] = [:]
        for block in ran.output.split(separator: "=== ") {
            let lines = block.split(separator: "\n", maxSplits: 1, omittingEmptySubsequences: false)
            cases[String(lines[0])] = lines.count > 1 ? String(lines[1]) : ""
        }
        print("podman with \(name): \(cases.count) cases, exit code \(ran.status)\(ran.status == 0 ? "" : ran.errors)")
        return cases
    }

    private func clean(_ root: String) {
        for name in ["crun", "ours"] {
            let runtime = name == "crun" ? "/usr/bin/crun" : "\(root)/sidekick-runtime"
            _ = Command.run(
                "podman", PodmanCases.options("\(root)/\(name)", runtime) + ["rm", "--all", "--force", "--time", "0"], timeout: 60
            )
        }
        for line in contents("/proc/self/mountinfo").split(separator: "\n").reversed() where line.contains(" \(root)/") {
            umount2(String(line.split(separator: " ")[4]), Int32(MNT_DETACH))
        }
        let parent = open("/var/lib", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        #expect(sk_remove_tree(parent, String(root.dropFirst("/var/lib/".count))) == 0)
        close(parent)
    }

    /// The control groups that podman makes for its conmons, and keeps.
    private func groups() -> [Substring] {
        Command.run("find", ["/sys/fs/cgroup", "-depth", "-type", "d", "-path", "*/libpod_parent*"]).output.split(separator: "\n")
    }

    /// A conmon may still be ending: tried for ten seconds.
    private func removeGroups() {
        for _ in 0..<200 {
            for group in groups() { rmdir(String(group)) }
            if groups().isEmpty { return }
            usleep(50_000)
        }
        Issue.record("control groups of podman are left: \(groups())")
    }

    /// crun 1.8 refuses hybrid control groups while hugetlb sits on v2. Whether it is ours to unmount.
    private func mountHugetlb() -> Bool {
        guard contents("/sys/fs/cgroup/unified/cgroup.controllers").contains("hugetlb") else { return false }
        mkdir("/sys/fs/cgroup/hugetlb", 0o755)
        return Command.run("mount", ["-t", "cgroup", "-o", "hugetlb", "cgroup", "/sys/fs/cgroup/hugetlb"]).status == 0
    }

    private func unmountHugetlb() {
        umount2("/sys/fs/cgroup/hugetlb", Int32(MNT_DETACH))
        rmdir("/sys/fs/cgroup/hugetlb")
    }
}
