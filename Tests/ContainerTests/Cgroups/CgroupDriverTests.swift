import Glibc
import Synchronization
import Testing

@testable import ContainerCore

/// On whatever kind of control groups this machine has: v1 hybrid on the development machine, pure v2 in the virtual one.
struct CgroupDriverTests {
    @Test func `limits hold: processor time, memory, processes`() async throws {
        try await withDriver { driver in
            var limits = ContainerLimits()
            limits.cpuMillis = 200
            limits.memoryBytes = 32 << 20
            limits.memoryAndSwapBytes = 32 << 20
            limits.pids = 6
            let handle = try driver.create("limited", limits: limits)

            let spinner = try Child("while :; do :; done", in: driver.entry(handle))
            let began = ContinuousClock.now
            try waitFor(.seconds(1))
            let statistics = try driver.statistics(handle)
            let elapsed = (ContinuousClock.now - began) / .nanoseconds(1)
            #expect(
                statistics.cpuNanoseconds > 0 && Double(statistics.cpuNanoseconds) < 0.45 * elapsed, "\(statistics) of \(elapsed)"
            )
            #expect(statistics.throttledNanoseconds > 0)
            spinner.kill()

            // A shell that doubles a string of 1 MiB until it dies of it.
            let hog = try Child("x=$(head -c 1048576 /dev/zero | tr '\\0' x); while :; do x=$x$x; done", in: driver.entry(handle))
            #expect(hog.wait() == 128 + SIGKILL)
            #expect(try driver.oomKills(handle) >= 1)
            #expect(try driver.statistics(handle).memoryPeakBytes <= 32 << 20)

            let bomb = try Child("for i in 1 2 3 4 5 6 7 8 9 10; do sleep 30 & done; wait", in: driver.entry(handle))
            _ = bomb.wait(killingAfter: .milliseconds(500))
            #expect(try driver.processes(handle).count <= 6)
            try driver.killAll(handle)
        }
    }

    @Test func `limits change while processes run, and lifting them frees`() async throws {
        try await withDriver { driver in
            let handle = try driver.create("changing", limits: ContainerLimits())
            var limits = ContainerLimits()
            limits.pids = 1
            limits.memoryBytes = 64 << 20
            limits.memoryAndSwapBytes = 64 << 20
            limits.cpuMillis = 500
            limits.cpuWeight = 50
            limits.readBytesPerSecond = 1 << 20
            try driver.update(handle, limits: limits)
            let forks = "(true) && (true) || exit 3"
            #expect(try Child(forks, in: driver.entry(handle)).wait() != 0)
            limits.memoryBytes = 128 << 20
            limits.memoryAndSwapBytes = 128 << 20
            try driver.update(handle, limits: limits)
            try driver.update(handle, limits: ContainerLimits())
            #expect(try Child(forks, in: driver.entry(handle)).wait() == 0)
        }
    }

    @Test func `a frozen group does nothing until thawed`() async throws {
        try await withDriver { driver in
            let handle = try driver.create("frozen", limits: ContainerLimits())
            let child = try Child("while :; do :; done & while :; do :; done", in: driver.entry(handle))
            try waitUntil("both spin") { try driver.processes(handle).count == 2 }
            var freezes: [Duration] = []
            var thaws: [Duration] = []
            for _ in 0..<10 {
                freezes.append(try ContinuousClock().measure { try driver.freeze(handle) })
                // v2 counts the last steps into the freezer a little later; two that run would use 40 ms at least.
                try waitFor(.milliseconds(40))
                let before = try driver.statistics(handle).cpuNanoseconds
                try waitFor(.milliseconds(40))
                let used = try driver.statistics(handle).cpuNanoseconds - before
                #expect(used < 10_000_000, "\(used) ns")
                thaws.append(try ContinuousClock().measure { try driver.thaw(handle) })
                try waitUntil("it runs again") { try driver.statistics(handle).cpuNanoseconds > before }
            }
            print("freeze median \(freezes.sorted()[5]), thaw median \(thaws.sorted()[5])")
            _ = child
        }
    }

    @Test(arguments: [false, true])
    func `everything in a group is killed, frozen or forking`(frozen: Bool) async throws {
        try await withDriver { driver in
            let handle = try driver.create("doomed", limits: ContainerLimits())
            let child = try Child("for i in 1 2 3; do (while :; do (sleep 0.01); done) & done; wait", in: driver.entry(handle))
            try waitUntil("they run") { try driver.processes(handle).count >= 4 }
            if frozen { try driver.freeze(handle) }
            try driver.killAll(handle)
            #expect(child.wait() == 128 + SIGKILL)
            try waitUntil("all are gone") { try driver.processes(handle).isEmpty }
        }
    }

    @Test(arguments: [false, true])
    func `removing a group in use ends what is in it, groups below included`(frozen: Bool) async throws {
        try await withDriver { driver in
            let handle = try driver.create("used", limits: ContainerLimits())
            for file in driver.entry(handle).files { _ = mkdir(file.replacingLast("cgroup.procs", by: "below"), 0o755) }
            let below = driver.entry(handle).files.map { $0.replacingLast("cgroup.procs", by: "below/cgroup.procs") }
            let child = try Child("trap '' TERM; sleep 100 & sleep 100", in: .write(below))
            try waitUntil("both run") { try driver.processes(handle).count >= 2 }
            if frozen { try driver.freeze(handle) }
            try driver.remove(handle)
            #expect(child.wait() == 128 + SIGKILL)
            #expect(try driver.leftovers() == [])
            try driver.remove(handle)
            #expect(throws: ContainerError.self) { try driver.freeze(handle) }
        }
    }

    @Test func `default devices open, others do not, though nodes may be made`() async throws {
        try await withDriver { driver in
            let handle = try driver.create("devices", limits: ContainerLimits())
            let script = """
                set -e; cd "$0"; : > /dev/null; head -c 1 /dev/zero > /dev/null; head -c 1 /dev/urandom > /dev/null
                mknod sidekick-test-node c 1 1; mknod sidekick-test-disk b 254 0
                head -c 1 sidekick-test-node > /dev/null 2>&1 && exit 7
                head -c 1 sidekick-test-disk > /dev/null 2>&1 && exit 8
                (: > /dev/kmsg) 2> /dev/null && exit 9
                exit 0
                """
            let directory = try temporaryDirectory()
            defer { _ = try? runCommand("rm", "-rf", directory) }
            #expect(try Child(script, directory, in: driver.entry(handle)).wait() == 0)
        }
    }

    @Test func `a restarted engine finds what is left, by name`() async throws {
        try await withDriver { driver in
            for name in ["b", "a", "c.d_e-f"] { _ = try driver.create(name, limits: ContainerLimits()) }
            #expect(try driver.leftovers() == ["a", "b", "c.d_e-f"])
            var limits = ContainerLimits()
            limits.pids = 1
            _ = try driver.create("a", limits: limits)
            _ = try driver.create("a", limits: ContainerLimits())
            #expect(try Child("(true) && (true) || exit 3", in: driver.entry(CgroupHandle("a"))).wait() == 0)
            try driver.remove(CgroupHandle("b"))
            #expect(try driver.leftovers() == ["a", "c.d_e-f"])
        }
    }

    @Test func `what a group uses is counted`() async throws {
        try await withDriver { driver in
            let handle = try driver.create("counted", limits: ContainerLimits())
            let child = try Child("x=$(head -c 8388608 /dev/zero | tr '\\0' x); sleep 100 & wait", in: driver.entry(handle))
            try waitUntil("8 MiB are held by two processes") {
                let statistics = try driver.statistics(handle)
                return statistics.memoryPeakBytes >= 8 << 20 && statistics.processes == 2
            }
            let statistics = try driver.statistics(handle)
            #expect(
                statistics.cpuNanoseconds > 0 && statistics.memoryBytes > 0 && statistics.memoryPeakBytes >= 8 << 20,
                "\(statistics)")
            #expect(statistics.outOfMemoryKills == 0)
            let pressure = try driver.pressure(handle)
            #expect(pressure == nil || pressure?.memory != nil)
            _ = child
        }
    }
}

private let counter = Atomic(0)

/// Gives the body a driver with a parent of its own, on a thread that may wait, and takes everything away after it.
private func withDriver(_ body: @escaping @Sendable (any CgroupDriver) throws -> Void) async throws {
    let number = counter.add(1, ordering: .relaxed).newValue
    try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
        onThread {
            continuation.resume(
                with: Result {
                    let driver = try Cgroups.detect(parent: "/sidekick-test-\(getpid())-\(number)")
                    defer { #expect(throws: Never.self) { try driver.destroy() } }
                    #expect(driver.notes == [], "this machine lacks what the tests need")
                    try body(driver)
                })
        }
    }
}

/// A shell script that joins a group before it does anything else. Killed with its owner.
final class Child {
    let pid: Int32
    private var status: Int32?

    init(_ script: String, _ argument: String = "sh", in entry: CgroupEntry) throws {
        let joins = entry.files.map { "echo $$ > \($0) || exit 99" }.joined(separator: "\n")
        let words = ["sh", "-c", "\(joins)\n\(script)", argument]
        var arguments: [UnsafeMutablePointer<CChar>?] = []
        for word in words { arguments.append(strdup(word)) }
        arguments.append(nil)
        defer { for argument in arguments { free(argument) } }
        var pid: pid_t = 0
        _ = try check(-posix_spawnp(&pid, "sh", nil, nil, &arguments, environ), "sh")
        self.pid = pid
    }

    deinit {
        if status == nil { kill() }
    }

    func kill() {
        Glibc.kill(pid, SIGKILL)
        _ = wait()
    }

    /// Exit code, or 128 + signal.
    func wait() -> Int32 {
        if let status { return status }
        var word: Int32 = 0
        waitpid(pid, &word, 0)
        let code = word & 0x7f == 0 ? word >> 8 & 0xff : 128 + word & 0x7f
        status = code
        return code
    }

    func wait(killingAfter limit: Duration) -> Int32 {
        let began = ContinuousClock.now
        while ContinuousClock.now - began < limit {
            var word: Int32 = 0
            if waitpid(pid, &word, WNOHANG) == pid {
                status = word
                return word
            }
            usleep(1000)
        }
        kill()
        return status ?? 0
    }
}

/// Asks every millisecond, ten seconds long.
func waitUntil(_ what: String, _ condition: () throws -> Bool) throws {
    let began = ContinuousClock.now
    while try !condition() {
        guard ContinuousClock.now - began < .seconds(10) else { throw CallFailed(description: "waited 10 s until \(what)") }
        usleep(1000)
    }
}

/// Lets time pass where the passing itself is what is measured.
func waitFor(_ duration: Duration) throws {
    let began = ContinuousClock.now
    try waitUntil("\(duration) passed") { ContinuousClock.now - began >= duration }
}

func temporaryDirectory() throws -> String {
    var template = Array("/tmp/sidekick-test.XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw CallFailed(description: "mkdtemp: \(errno)") }
    return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
}

extension String {
    fileprivate func replacingLast(_ end: String, by other: String) -> String {
        hasSuffix(end) ? dropLast(end.count) + other : self
    }
}
