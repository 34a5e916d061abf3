import Glibc
import LinuxShims
import Testing

@testable import ContainerCore

@Suite struct LaunchPlanTests {
    private var sample: ContainerConfiguration {
        var made = ContainerConfiguration(id: "c1", layers: ["/a", "/b"], arguments: ["web", "--port", ""])
        made.mounts = [
            ContainerMount(kind: .bind, source: "/src", target: "/dst", readOnly: true),
            ContainerMount(kind: .tmpfs, source: "", target: "/scratch", readOnly: false, size: 4096),
        ]
        return made
    }

    private func compile(_ configuration: ContainerConfiguration, firstID: UInt32? = 1_000_000) throws -> [UInt8] {
        try LaunchPlan.compile(
            configuration,
            in: LaunchPlan.Surroundings(
                firstID: firstID, files: [("/etc/hosts", "127.0.0.1\tlocalhost\n")], cgroups: .unified, seccomp: [6, 7]))
    }

    private func head(_ plan: [UInt8]) -> sk_plan { plan.withUnsafeBytes { $0.loadUnaligned(as: sk_plan.self) } }

    private func strings(_ plan: [UInt8], _ list: sk_list) -> [String] {
        var at = Int(list.offset)
        return (0..<list.count).map { _ in
            let text = plan[at...].prefix { $0 != 0 }
            at += text.count + 1
            return String(decoding: text, as: UTF8.self)
        }
    }

    @Test func `a plan carries what the configuration says`() throws {
        let plan = try compile(sample)
        let head = head(plan)
        #expect(head.magic == SK_PLAN_MAGIC && Int(head.size) == plan.count && plan.last == 0)
        #expect(strings(plan, head.arguments) == ["web", "--port", ""])
        #expect(strings(plan, head.layers) == ["/a", "/b"])
        #expect(strings(plan, head.programs).contains("/usr/bin/web"))
        #expect(head.seccomp.count == 2)
        #expect(head.permitted == 0xa804_25fb && head.bounding == 0xa804_25fb)
        #expect(head.first_id == 1_000_000 && head.stdio_owner == 1_000_000)
    }

    @Test func `the same configuration makes the same plan`() throws { #expect(try compile(sample) == compile(sample)) }

    @Test func `a container is shown the hierarchies that hold its limits`() {
        let parts = ["cpu,cpuacct", "memory", "systemd", "unified", "devices", "pids"]
        let files = parts.map { "/sys/fs/cgroup/\($0)/sidekick-x/c-1/cgroup.procs" }
        #expect(CgroupView(.write(files)) == .hierarchies(["cpu,cpuacct", "memory", "pids"]))
        #expect(CgroupView(.clone(directory: "/sys/fs/cgroup/sidekick-x/c-1")) == .unified)
    }

    @Test func `protection comes after every mount, so that no mount uncovers what is hidden`() {
        let steps = StandardRoot.scaffold(userNamespace: true)
        let lastMount = steps.lastIndex { if case .mount = $0 { true } else if case .bind = $0 { true } else { false } }
        let firstMask = steps.firstIndex { if case .mask = $0 { true } else { false } }
        #expect(lastMount.map { last in firstMask.map { $0 > last } ?? false } == true)
    }

    /// Millions of damaged plans through the reader that `sidekick-init` is built with, under address and undefined-behaviour sanitizers.
    @Test(.enabled(if: getenv("SIDEKICK_IN_VM") == nil, "the test machine has no compiler"))
    func `the reader refuses damaged plans and never reads beyond one`() throws {
        let directory = "/tmp/sidekick-planfuzz-\(getpid())"
        try #require(mkdir(directory, 0o755) == 0)
        defer {
            let parent = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
            #expect(sk_remove_tree(parent, "sidekick-planfuzz-\(getpid())") == 0)
            close(parent)
        }
        write(try compile(sample), to: "\(directory)/plan")
        write([UInt8](Self.harness.utf8), to: "\(directory)/harness.c")
        let sources = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        let parts = "/\(sources)/Sources/ContainerInit"
        let built = run(
            [
                "cc", "-D_GNU_SOURCE", "-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-I\(parts)",
                "-I/\(sources)/Sources/LinuxShims/include", "-o", "\(directory)/harness", "\(directory)/harness.c",
                "\(parts)/plan.c",
                "\(parts)/report.c",
            ])
        #expect(built == 0)
        let seed = UInt32.random(in: 0...UInt32.max)
        #expect(run(["\(directory)/harness", "\(directory)/plan", "\(seed)", "100000"]) == 0, "seed \(seed)")
    }

    private func write(_ bytes: [UInt8], to path: String) {
        let file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o644)
        #expect(Glibc.write(file, bytes, bytes.count) == bytes.count)
        close(file)
    }

    private func run(_ words: [String]) -> Int32 {
        var pid: pid_t = 0
        let arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
        defer { for argument in arguments { free(argument) } }
        guard posix_spawnp(&pid, words[0], nil, nil, arguments, environ) == 0 else { return -1 }
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0, errno == EINTR {}
        return status
    }

    private static let harness = """
        #include <stdio.h>
        #include <stdlib.h>
        #include <string.h>
        #include "plan.h"
        static unsigned long long state;
        static unsigned next(void) { state = state * 6364136223846793005ULL + 1442695040888963407ULL; return state >> 33; }
        static unsigned long long sum;
        static void use(const struct plan *plan) {
            struct sk_list lists[] = {plan->head->programs, plan->head->arguments, plan->head->environment, plan->head->layers};
            for (int i = 0; i < 4; i++) {
                if (lists[i].count > 100000) continue;
                const char **strings = malloc((lists[i].count + 1) * sizeof *strings);
                plan_strings(plan, lists[i], strings);
                for (unsigned k = 0; k < lists[i].count; k++) sum += strlen(strings[k]);
                free(strings);
            }
            const struct sk_step *steps = plan_list(plan, plan->head->steps);
            for (unsigned k = 0; k < plan->head->steps.count; k++) {
                sum += strlen(plan_string(plan, steps[k].source)) + strlen(plan_string(plan, steps[k].target));
                const char *option = plan_string(plan, steps[k].options.offset);
                for (unsigned o = 0; o < steps[k].options.count; o++) { sum += strlen(option); option += strlen(option) + 1; }
            }
            const unsigned char *bytes = plan_list(plan, plan->head->seccomp);
            for (unsigned k = 0; k < plan->head->seccomp.count * 8; k++) sum += bytes[k];
            const struct sk_limit *limits = plan_list(plan, plan->head->limits);
            for (unsigned k = 0; k < plan->head->limits.count; k++) sum += limits[k].soft;
        }
        int main(int count, char **arguments) {
            FILE *file = fopen(arguments[1], "rb");
            static unsigned char sample[1 << 20];
            size_t size = fread(sample, 1, sizeof sample, file);
            state = strtoull(arguments[2], 0, 10);
            long rounds = atol(arguments[3]), sound = 0;
            (void)count;
            for (long i = 0; i <= rounds; i++) {
                size_t length = i == 0 || next() % 4 ? size : next() % (size + 1);
                unsigned char *copy = aligned_alloc(16, (length + 16) / 16 * 16);
                unsigned char *plan_bytes = malloc(length ? length : 1);
                memcpy(plan_bytes, sample, length);
                free(copy);
                int changes = i == 0 ? 0 : 1 + next() % 6;
                for (int c = 0; c < changes && length > 4; c++) {
                    size_t at = next() % 3 ? next() % (length < sizeof(struct sk_plan) ? length : sizeof(struct sk_plan)) : next() % length;
                    if (next() % 2) plan_bytes[at] = next();
                    else { unsigned value = next() % 3 ? next() % (2 * size) : 0xffffffffu - next() % 16; if (at + 4 <= length) memcpy(plan_bytes + at, &value, 4); }
                }
                if (length >= 12 && next() % 2) { unsigned fixed = length; memcpy(plan_bytes + 8, &fixed, 4); plan_bytes[length - 1] = 0; }
                struct plan plan;
                if (plan_check(&plan, plan_bytes, length) == 0) { sound++; use(&plan); } else if (i == 0) return 2;
                free(plan_bytes);
            }
            fprintf(stderr, "plans read: %ld, sound: %ld (%llu)\\n", rounds, sound, sum);
            return 0;
        }
        """
}
