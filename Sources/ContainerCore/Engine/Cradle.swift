import Glibc
import LinuxShims
import Synchronization

/// A guard with the empty namespaces of one container to be: what costs time and depends on no container, made ahead.
struct Cradle: Sendable {
    /// Unique among the engine's, over restarts too: names its socket and its cgroup.
    let name: String
    let link: GuardLink
    /// Pid of the namespaces' first process.
    let first: Int32
    let firstID: UInt32?
    let cgroup: CgroupHandle
}

/// A cradle's way into its cgroups.
final class Joining: Sendable {
    private let result = Mutex<Result<Void, ContainerError>?>(nil)
    private let ended = Condition()

    func end(with result: Result<Void, ContainerError>) {
        self.result.withLock { $0 = result }
        ended.wakeAll()
    }

    func wait() throws(ContainerError) {
        while true {
            let seen = ended.generation
            if let result = result.withLock({ $0 }) { return try result.get() }
            ended.wait(since: seen)
        }
    }
}

/// Makes cradles, and keeps some ready.
final class Cradles: Sendable {
    private let cgroups: any CgroupDriver
    private let runDirectory: Descriptor
    private let executable: Descriptor
    private let ready: Int
    private let step: StepObserver
    private let changed = Condition()
    private let joiner = WaitingThreads(largest: 1)
    private let scaffold: Descriptor
    private let mappedScaffold: Descriptor
    private let state: Mutex<State>

    private struct State {
        var ids: IDRanges
        var waiting: [Cradle] = []
        var beingMade = 0
        var counter: UInt64 = 0
        var isEnded = false
        var isTended = false
        /// How many somebody waits for.
        var operations = 0
        /// Monotonic nanoseconds.
        var quietSince: Int64 = 0
        var missingSince: Int64?
        var notBefore: Int64 = 0
    }

    private let prefix = String(UInt32.random(in: 0...UInt32.max), radix: 36)

    /// - Parameter ready: how many are kept ready.
    init(
        engine: String, initPath: String, runDirectory: Descriptor, cgroups: any CgroupDriver, ready: Int,
        step: @escaping StepObserver
    ) throws(ContainerError) {
        self.step = step
        self.cgroups = cgroups
        self.runDirectory = runDirectory
        self.ready = ready
        executable = try Descriptor(sk_executable_copy(initPath), "read sidekick-init at \(initPath)")
        scaffold = try Self.keep(LaunchPlan.compileScaffold(userNamespace: false))
        mappedScaffold = try Self.keep(LaunchPlan.compileScaffold(userNamespace: true))
        state = Mutex(State(ids: IDRanges(engine: engine)))
    }

    private static func keep(_ plan: [UInt8]) throws(ContainerError) -> Descriptor {
        try Descriptor(plan.withUnsafeBytes { sk_memory_file($0.baseAddress, $0.count) }, "keep the plan of a scaffold")
    }

    func keep(ids first: UInt32) { state.withLock { $0.ids.keep(first) } }

    /// A cradle that nobody else has: a ready one when the container is like most, else a new one.
    func take(userNamespace: Bool) throws(ContainerError) -> (cradle: Cradle, isJoined: Bool) {
        while userNamespace, let cradle = state.withLock({ $0.waiting.popLast() }) {
            // One whose guard was killed meanwhile has said so.
            if case .nothing = cradle.link.receive() { return (cradle, true) }
            discard(cradle)
        }
        return (try make(userNamespace: userNamespace), false)
    }

    /// Between `enter` and `leave` somebody waits for the engine.
    func enter() { state.withLock { $0.operations += 1 } }

    func leave() {
        state.withLock { state in
            state.operations -= 1
            state.quietSince = sk_monotonic_nanoseconds()
        }
    }

    /// Has what is missing made, on a thread of its own, once nobody has waited for the engine for `quiet`, or has done so for `longest`:
    /// moving a process into its cgroups holds the kernel's lock of all cgroups for a grace period, some 10 ms, in which no container
    /// comes or goes.
    func refill() {
        let isFirst = state.withLock { state in
            defer { state.isTended = true }
            return ready > 0 && !state.isTended && !state.isEnded
        }
        if isFirst, !startThread({ self.tend() }) { state.withLock { $0.isTended = false } }
        changed.wakeAll()
    }

    private static let quiet: Int64 = 20_000_000
    private static let longest: Int64 = 1_000_000_000

    private enum Tending {
        case end, wait
        case pause(nanoseconds: Int64)
        case make(Int)
    }

    private func tend() {
        sk_name_thread("cradles")
        while true {
            let seen = changed.generation
            switch state.withLock({ next(&$0, now: sk_monotonic_nanoseconds()) }) {
            case .end: return
            case .wait: changed.wait(since: seen)
            case .pause(let nanoseconds): usleep(UInt32(nanoseconds / 1000) + 1)
            case .make(let missing):
                let made = make(missing)
                state.withLock { state in
                    state.beingMade = 0
                    state.missingSince = nil
                    // Without the means for one now, containers are made without: they report what is wrong.
                    state.notBefore = made < missing ? sk_monotonic_nanoseconds() + Self.longest : 0
                }
                changed.wakeAll()
            }
        }
    }

    private func next(_ state: inout State, now: Int64) -> Tending {
        if state.isEnded { return .end }
        let missing = ready - state.waiting.count
        if missing <= 0 { return .wait }
        let since = state.missingSince ?? now
        state.missingSince = since
        if now < state.notBefore { return .pause(nanoseconds: Self.quiet) }
        let isQuiet = state.operations == 0 && now - state.quietSince >= Self.quiet
        if !isQuiet, now - since < Self.longest { return .pause(nanoseconds: Self.quiet / 2) }
        state.beingMade = missing
        return .make(missing)
    }

    /// All are made first and then moved into their cgroups: the moves right after one share its wait. Gives how many came ready.
    private func make(_ missing: Int) -> Int {
        let made = (0..<missing).compactMap { _ in try? make(userNamespace: true) }
        var ready = 0
        for cradle in made {
            let isKept =
                (try? join(cradle)) != nil
                && state.withLock { state in
                    if !state.isEnded { state.waiting.append(cradle) }
                    return !state.isEnded
                }
            if isKept { ready += 1 } else { discard(cradle) }
        }
        return ready
    }

    /// Ends the ready ones, and those being made once they are.
    func end() {
        let left = state.withLock { state in
            state.isEnded = true
            defer { state.waiting = [] }
            return state.waiting
        }
        changed.wakeAll()
        joiner.end()
        for cradle in left { discard(cradle) }
        while true {
            let seen = changed.generation
            if state.withLock({ $0.beingMade == 0 }) { return }
            changed.wait(since: seen)
        }
    }

    /// Begins `join` on the thread that does this for all, one after the other: the kernel lets them in no faster, and those that wait
    /// share a grace period.
    func beginJoining(_ cradle: Cradle) -> Joining {
        let joining = Joining()
        guard case .write = cgroups.entry(cradle.cgroup) else {
            joining.end(with: Result { () throws(ContainerError) in try join(cradle) })
            return joining
        }
        joiner.submit { joining.end(with: Result { () throws(ContainerError) in try self.join(cradle) }) }
        return joining
    }

    /// Puts the first process into its cgroups, where it was not cloned into them.
    func join(_ cradle: Cradle) throws(ContainerError) {
        if case .write = cgroups.entry(cradle.cgroup) { try cgroups.join(cradle.cgroup, pid: cradle.first) }
        step("cgroup joined")
        try cradle.link.send(SK_ASK_JOINED)
    }

    private func make(userNamespace: Bool) throws(ContainerError) -> Cradle {
        let (number, ids) = state.withLock { state in
            state.counter += 1
            return (state.counter, userNamespace ? state.ids.take() : nil)
        }
        if userNamespace, ids == nil { throw ContainerError(.resourceMissing, "all ranges of user ids are taken") }
        let name = "\(prefix)-\(number)", cgroup = CgroupHandle("\(prefix)-\(number)")
        do throws(ContainerError) {
            // A process is cloned into a group of v2; those of v1, into which it is moved, can be made while it comes to be.
            let isClonedInto = if case .clone = cgroups.entry(cgroup) { true } else { false }
            if isClonedInto { try makeGroup(name) }
            let link = try spawn(name)
            step("guard started")
            do throws(ContainerError) {
                try askCradle(link, cgroup, ids)
                if !isClonedInto { try makeGroup(name) }
                let told = try link.await([SK_TELL_CRADLE], within: 10_000, "clone a container's namespaces")
                try link.send(SK_ASK_SCAFFOLD, descriptors: [(userNamespace ? mappedScaffold : scaffold).number])
                step("namespaces made")
                return Cradle(name: name, link: link, first: told.message.first, firstID: ids, cgroup: cgroup)
            } catch {
                try? link.send(SK_ASK_QUIT)
                _ = sk_reap(link.guardPID)
                throw error
            }
        } catch {
            clear(name: name, firstID: ids, cgroup: cgroup)
            throw error
        }
    }

    private func makeGroup(_ name: String) throws(ContainerError) {
        _ = try cgroups.create(name, limits: ContainerLimits())
        step("cgroup made")
    }

    private func spawn(_ name: String) throws(ContainerError) -> GuardLink {
        let listener = try Descriptor(sk_message_bind(runDirectory.number, "\(name).sock"), "make the socket of guard \(name)")
        let (ours, theirs) = try Descriptor.messagePair()
        let pid = sk_guard_spawn(executable.number, theirs.number, listener.number)
        guard pid > 0 else { throw ContainerError(.kernelRefused, "cannot start guard \(name)", cause: systemText(-pid)) }
        return GuardLink(socket: ours, guardPID: pid)
    }

    private func askCradle(_ link: GuardLink, _ cgroup: CgroupHandle, _ firstID: UInt32?) throws(ContainerError) {
        let namespaces = SK_NEW_MOUNT | SK_NEW_PID | SK_NEW_NET | SK_NEW_UTS | SK_NEW_IPC | (firstID == nil ? 0 : SK_NEW_USER)
        var text: [UInt8] = []
        if let firstID {
            let map = [UInt8]("0 \(firstID) \(IDRanges.size)".utf8) + [0]
            text = map + map
        }
        var group: Descriptor?
        if case .clone(let directory) = cgroups.entry(cgroup) { group = try Descriptor.directory(directory) }
        try link.send(
            SK_ASK_CRADLE, wide: UInt64(namespaces), text: text, descriptors: group.map { [$0.number] } ?? [])
    }

    /// Ends a cradle that will hold no container, and removes what was made for it.
    func discard(_ cradle: Cradle) {
        try? cradle.link.send(SK_ASK_QUIT)
        var waits = 0
        // Until its end of the connection closes: then its first process is gone.
        while waits < 100 {
            let received = cradle.link.receive(within: 100)
            if case .end = received { break }
            if case .nothing = received { waits += 1 }
        }
        _ = kill(cradle.link.guardPID, SIGKILL)
        _ = sk_reap(cradle.link.guardPID)
        clear(name: cradle.name, firstID: cradle.firstID, cgroup: cradle.cgroup)
    }

    /// Removes what is left of a cradle or container whose processes have ended.
    func clear(name: String, firstID: UInt32?, cgroup: CgroupHandle) {
        try? cgroups.remove(cgroup)
        step("cgroup removed")
        unlinkat(runDirectory.number, "\(name).sock", 0)
        step("socket removed")
        firstID.map { first in state.withLock { $0.ids.giveBack(first) } }
    }
}
