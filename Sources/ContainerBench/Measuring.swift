import ContainerCore
import Glibc

extension ContainerBench {
    /// Create, start, exit and removal, ours and each peer's in turn.
    func wholeLives(_ ours: Ours, _ name: String, gap: UInt32, peers: [Peer]? = nil) async throws -> [Measurement] {
        let peers = peers ?? self.peers
        var lives: [Ours.Life] = []
        var theirs = peers.map { _ in [Double]() }
        for turn in -2..<runs {
            pause(milliseconds: gap)
            let took = try await ours.run("life\(turn + 2)", "true")
            if turn >= 0 { lives.append(took) }
            for (index, peer) in peers.enumerated() {
                pause(milliseconds: gap)
                let took = try timed { try peer.run("true", id: "bench-life\(turn + 2)") }
                if turn >= 0 { theirs[index].append(took) }
            }
        }
        let steps: [(String, [Double])] = [
            ("prepare", lives.map(\.prepare)), ("start", lives.map(\.start)), ("exit", lives.map(\.exit)),
            ("remove", lives.map(\.remove)),
        ]
        return paired(name, lives.map(\.whole), peers, theirs, budgets: ["crun": 0.4, "runc": 0.2])
            + steps.map { Measurement(name: "  \($0) in \(name)", unit: "ms", ours: $1) }
    }

    /// Up to the held process.
    func preparing(_ ours: Ours, _ pools: String) async throws -> [Measurement] {
        var mine: [Double] = []
        var theirs = peers.map { _ in [Double]() }
        for turn in 0..<runs {
            pause(milliseconds: 300)
            let began = now()
            _ = try await ours.engine.prepare(ours.configuration("held\(turn)", "true"))
            mine.append(now() - began)
            try await ours.engine.remove("held\(turn)")
            for (index, peer) in peers.enumerated() {
                pause(milliseconds: 300)
                theirs[index].append(try timed { try peer.create("true", id: "bench-held\(turn)") })
                try peer.remove(id: "bench-held\(turn)")
            }
        }
        return paired("create to prepared, cold, \(pools)", mine, peers, theirs, budgets: [:])
    }

    /// From the call to the program's first instruction.
    func starting(_ ours: Ours) async throws -> [Measurement] {
        var mine: [Double] = []
        var floors: [Double] = []
        var theirs = peers.map { _ in [Double]() }
        for turn in 0..<runs * 4 {
            let id = "clock\(turn)"
            _ = try await ours.engine.prepare(ours.configuration(id, "clock"))
            pause(milliseconds: 100)
            let exits = ours.engine.exits()
            let began = now()
            _ = try await ours.engine.start(id)
            for await end in exits where end.id == id {
                guard end.exit.code == 0 else { throw CommandFailed(description: "clock ended with \(end.exit)") }
                break
            }
            mine.append(try ours.printedTime(id) - began)
            try await ours.engine.remove(id)
            if turn % 4 == 0 { floors.append(try floor()) }
            for (index, peer) in peers.enumerated() where turn % 4 == 0 {
                let (id, output) = ("bench-clock\(turn)", "\(work)/clock.out")
                try peer.create("clock", id: id, output: output)
                pause(milliseconds: 100)
                let began = now()
                try peer.start(id: id)
                theirs[index].append(try printed(output) - began)
                try peer.remove(id: id)
            }
        }
        var measurements = [Measurement(name: "prepared to first instruction, p50", unit: "ms", ours: mine, budget: 0.2)]
        measurements.append(
            Measurement(name: "prepared to first instruction, p99", unit: "ms", ours: mine, budget: 2, quantile: 0.99))
        let quarter = stride(from: 0, to: mine.count, by: 4).map { mine[$0] }
        measurements.append(
            Measurement(name: "prepared to first instruction", unit: "ms", ours: quarter, peer: ("wake and exec", floors)))
        return measurements + paired("prepared to first instruction", quarter, peers, theirs, budgets: [:])
    }

    /// The same program's first instruction after the same wait, without any container.
    private func floor() throws -> Double {
        let output = "\(work)/wake.out"
        try Command(["\(work)/wake", "\(work)/layer/clock"]).run(output: output)
        guard let word = text(of: output)?.split(separator: "\n").first, let milliseconds = Double(word) else {
            throw CommandFailed(description: "\(work)/wake printed no time")
        }
        return milliseconds
    }

    private func printed(_ file: String) throws -> Double {
        let limit = now() + 2000
        while now() < limit {
            if let word = text(of: file)?.split(separator: "\n").last, let nanoseconds = Double(word) { return nanoseconds / 1e6 }
            usleep(200)
        }
        throw CommandFailed(description: "no time was printed to \(file)")
    }

    /// One sleeping container each, frozen and thawed in turns.
    func freezing(_ ours: Ours) async throws -> [Measurement] {
        _ = try await ours.engine.prepare(ours.configuration("sleeper", "sleep"))
        _ = try await ours.engine.start("sleeper")
        for peer in peers {
            try peer.create("sleep", id: "bench-sleeper")
            try peer.start(id: "bench-sleeper")
        }
        var mine: (freezes: [Double], thaws: [Double]) = ([], [])
        var theirs = peers.map { _ in (freezes: [Double](), thaws: [Double]()) }
        for _ in 0..<runs {
            pause(milliseconds: 20)
            var began = now()
            try await ours.engine.freeze("sleeper")
            mine.freezes.append(now() - began)
            pause(milliseconds: 20)
            began = now()
            try await ours.engine.thaw("sleeper")
            mine.thaws.append(now() - began)
            for (index, peer) in peers.enumerated() {
                pause(milliseconds: 20)
                theirs[index].freezes.append(try timed { try peer.freeze(id: "bench-sleeper") })
                pause(milliseconds: 20)
                theirs[index].thaws.append(try timed { try peer.thaw(id: "bench-sleeper") })
            }
        }
        try await ours.engine.remove("sleeper")
        for peer in peers { try peer.remove(id: "bench-sleeper") }
        return [
            Measurement(name: "freeze", unit: "ms", ours: mine.freezes, budget: 1),
            Measurement(name: "thaw", unit: "ms", ours: mine.thaws, budget: 0.2),
        ] + paired("freeze", mine.freezes, peers, theirs.map(\.freezes), budgets: [:])
            + paired("thaw", mine.thaws, peers, theirs.map(\.thaws), budgets: [:])
    }

    /// Until the last of fifty that were begun at once is gone.
    func parallel(_ ours: Ours, _ name: String) async throws -> [Measurement] {
        let count = 50, peers = Array(peers.prefix(1))
        var mine: [Double] = []
        var theirs = peers.map { _ in [Double]() }
        for turn in 0..<runs {
            pause(milliseconds: 500)
            let began = now()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for index in 0..<count { group.addTask { _ = try await ours.run("many\(turn)-\(index)", "true") } }
                try await group.waitForAll()
            }
            mine.append(now() - began)
            for (index, peer) in peers.enumerated() {
                pause(milliseconds: 500)
                theirs[index].append(
                    try timed {
                        let processes = try (0..<count).map { try peer.startRun("true", id: "bench-many\(turn)-\($0)") }
                        for process in processes { try Command.end(of: process, "\(peer.program) run") }
                    })
            }
        }
        return paired(name, mine, peers, theirs, budgets: ["crun": 0.4])
    }

    /// Proportional and private memory of a guard beside conmon's, each over one sleeping container.
    func memory(_ ours: Ours) async throws -> [Measurement] {
        var pss: [Double] = []
        var own: [Double] = []
        for index in 0..<20 {
            let id = "guarded\(index)"
            _ = try await ours.engine.prepare(ours.configuration(id, "sleep"))
            let status = try await ours.engine.start(id)
            guard status.guardPID != nil else { throw CommandFailed(description: "container \(id) has no guard") }
        }
        for status in await ours.engine.list() {
            guard let pid = status.guardPID, let (proportional, privately) = memoryMegabytes(pid) else { continue }
            pss.append(proportional)
            own.append(privately)
        }
        for index in 0..<20 { try await ours.engine.remove("guarded\(index)") }
        var measurements = [
            Measurement(name: "guard's memory, proportional", unit: "MB", ours: pss, budget: 0.25),
            Measurement(name: "guard's memory, private", unit: "MB", ours: own, budget: 0.5),
        ]
        if let conmon = try conmonMemory() {
            let theirs = own.map { _ in conmon.own }
            measurements.append(
                Measurement(name: "guard's memory, private", unit: "MB", ours: own, peer: (conmon.title, theirs), budget: 0.5))
        }
        return measurements
    }

    /// What a prepared replica that nobody starts costs the host, as the mean of a hundred.
    func idling(_ ours: Ours) async throws -> [Measurement] {
        let count = 100
        for index in 0..<count { _ = try await ours.engine.prepare(ours.configuration("idle\(index)", "sleep")) }
        var proportional = 0.0, charged = 0.0, processes = 0.0
        for status in await ours.engine.list() {
            guard let program = status.pid, let keeper = status.guardPID else { continue }
            let all = [keeper, program, parent(program)].compactMap { $0 }
            processes += Double(all.count)
            proportional += all.compactMap { memoryMegabytes($0)?.proportional }.reduce(0, +)
            charged += Double(try await ours.engine.statistics(status.id).memoryBytes) / 1_048_576
        }
        let began = now()
        for index in 0..<count { try await ours.engine.remove("idle\(index)") }
        let mean = { (sum: Double) in [sum / Double(count)] }
        return [
            Measurement(name: "idle prepared replica, its processes", unit: "", ours: mean(processes)),
            Measurement(name: "idle prepared replica, their memory, proportional", unit: "MB", ours: mean(proportional)),
            Measurement(name: "idle prepared replica, charged to its control group", unit: "MB", ours: mean(charged)),
            Measurement(name: "idle prepared replica, removal one after the other", unit: "ms", ours: mean(now() - began)),
        ]
    }

    /// From `/proc/PID/stat`: `PID (NAME) STATE PARENT`.
    private func parent(_ pid: Int32) -> Int32? {
        guard let words = text(of: "/proc/\(pid)/stat")?.split(separator: ")").last?.split(separator: " "), words.count > 1 else {
            return nil
        }
        return Int32(words[1])
    }

    private func conmonMemory() throws -> (title: String, own: Double)? {
        guard let peer = peers.first, (try? Command(["conmon", "--version"]).run(output: "\(work)/version")) != nil else {
            return nil
        }
        let title = text(of: "\(work)/version")?.split(separator: "\n").first.map(String.init) ?? "conmon"
        let (id, pidFile) = ("bench-conmon", "\(work)/conmon.pid")
        try Command([
            "conmon", "--cid", id, "--cuuid", id, "--name", id, "--runtime", "/usr/bin/\(peer.program)", "--runtime-arg",
            "--root",
            "--runtime-arg", peer.state, "--bundle", "\(peer.bundles)/sleep", "--log-path", "k8s-file:\(work)/conmon.log",
            "--container-pidfile", "\(work)/conmon-container.pid", "--conmon-pidfile", pidFile, "--exit-dir", work,
            "--socket-dir-path",
            work,
        ]).run(output: "\(work)/conmon.out")
        let limit = now() + 3000
        while now() < limit {
            guard (try? peer.start(id: id)) == nil else { break }
            usleep(20_000)
        }
        defer { try? peer.remove(id: id) }
        guard let pid = text(of: pidFile).flatMap({ Int32($0.split(separator: "\n").first ?? "") }),
            let (_, own) = memoryMegabytes(pid)
        else { return nil }
        return (title, own)
    }

    /// From `/proc/PID/smaps_rollup`.
    private func memoryMegabytes(_ pid: Int32) -> (proportional: Double, own: Double)? {
        guard let text = text(of: "/proc/\(pid)/smaps_rollup") else { return nil }
        var values: [Substring: Double] = [:]
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            if words.count == 3, let kibibytes = Double(words[1]) { values[words[0]] = kibibytes / 1024 }
        }
        return ((values["Pss:"] ?? 0), (values["Private_Clean:"] ?? 0) + (values["Private_Dirty:"] ?? 0))
    }

    private func timed(_ body: () throws -> Void) throws -> Double {
        let began = now()
        try body()
        return now() - began
    }

    private func paired(
        _ name: String, _ mine: [Double], _ peers: [Peer], _ theirs: [[Double]], budgets: [String: Double]
    ) -> [Measurement] {
        if peers.isEmpty { return [Measurement(name: name, unit: "ms", ours: mine)] }
        return zip(peers, theirs).map { peer, theirs in
            Measurement(name: name, unit: "ms", ours: mine, peer: (peer.title, theirs), budget: budgets[peer.program])
        }
    }
}
