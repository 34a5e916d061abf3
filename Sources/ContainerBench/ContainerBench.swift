import ContainerCore
import Glibc

/// Measures containers beside OCI runtimes, alternating in one run. Called by deploy/bench/containers.sh, which prepares what it needs:
///
///     ContainerBench WORK RUN INIT RUNS
///
/// `WORK/layer` is the root file system with the programs `true`, `clock` and `sleep`; `WORK/bundles/PROGRAM` are OCI bundles of them. State
/// that ends with the boot goes below `RUN`, everybody's alike.
@main
struct ContainerBench {
    let work: String
    let run: String
    let initPath: String
    let runs: Int
    let peers: [Peer]

    static func main() async throws {
        let arguments = CommandLine.arguments
        if arguments.count == 7, arguments[1] == "--steps", let runs = Int(arguments[5]), let ready = Int(arguments[6]) {
            return try await printSteps(
                work: arguments[2], run: arguments[3], initPath: arguments[4], runs: runs, ready: ready)
        }
        if arguments.count == 5, arguments[1] == "--clean" {
            return try await clean(work: arguments[2], run: arguments[3], initPath: arguments[4])
        }
        guard arguments.count == 5, let runs = Int(arguments[4]) else {
            say("usage: ContainerBench WORK RUN INIT RUNS; run deploy/bench/containers.sh")
            exit(2)
        }
        let work = arguments[1], run = arguments[2]
        let peers = ["crun", "runc"].compactMap { Peer($0, bundles: "\(work)/bundles", state: run) }
        try await ContainerBench(work: work, run: run, initPath: arguments[3], runs: runs, peers: peers).measure()
    }

    private static let engines: [(name: String, ready: Int, subnet: String?)] = [
        ("benchw", 2, nil), ("benchc", 0, nil), ("benchn", 2, "10.213.0.0/16"),
    ]

    /// Removes what an interrupted run left.
    private static func clean(work: String, run: String, initPath: String) async throws {
        for engine in engines {
            guard access("\(work)/\(engine.name)", F_OK) == 0 else { continue }
            let ours = try await Ours(
                name: engine.name, work: work, run: run, initPath: initPath, subnet: engine.subnet, ready: 0)
            try await ours.engine.destroy()
        }
    }

    private func measure() async throws {
        var all: [Measurement] = []
        func report(_ measurements: [Measurement]) {
            for measurement in measurements { say(measurement.line) }
            all += measurements
        }
        for engine in Self.engines {
            let ours = try await Ours(
                name: engine.name, work: work, run: run, initPath: initPath, subnet: engine.subnet, ready: engine.ready)
            let pools = engine.ready > 0 ? "pools warm" : "no pools"
            if engine.subnet != nil {
                report(try await wholeLives(ours, "create-start-exit on the bridge, cold, \(pools)", gap: 300, peers: []))
            } else {
                report(try await wholeLives(ours, "create-start-exit, cold, \(pools)", gap: 300))
                report(try await wholeLives(ours, "create-start-exit, back to back, \(pools)", gap: 0))
                report(try await preparing(ours, pools))
                report(try await parallel(ours, "50 in parallel, \(pools)"))
            }
            if engine.name == "benchw" {
                report(try await starting(ours))
                report(try await freezing(ours))
                report(try await memory(ours))
                report(try await idling(ours))
            }
            try await ours.engine.destroy()
        }
        say(
            "{\"benchmark\": \"containers\", \"machine\": \(machine()), \"results\": [\n\(all.map(\.json).joined(separator: ",\n"))]}"
        )
    }

    private func machine() -> String {
        var name = utsname()
        uname(&name)
        let release = withUnsafeBytes(of: name.release) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        let unified = access("/sys/fs/cgroup/cgroup.controllers", F_OK) == 0
        return
            "{\"cores\": \(sysconf(Int32(_SC_NPROCESSORS_ONLN))), \"kernel\": \"\(release)\", \"cgroup\": \"\(unified ? "v2" : "v1 hybrid")\"}"
    }
}
