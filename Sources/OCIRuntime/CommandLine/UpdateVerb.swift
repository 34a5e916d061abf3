import ContainerCore
import FoundationEssentials

/// `update`: other limits for a container that runs.
enum UpdateVerb {
    static let verb = RuntimeVerb(
        name: "update", operands: "ID", operandCount: 1...1,
        options: [
            CommandOption("resources", "r", value: "FILE", "linux.resources as JSON; - for standard input"),
            CommandOption("blkio-weight", value: "N", "10 to 1000"),
            CommandOption("cpu-period", value: "MICROSECONDS", "period of the quota"),
            CommandOption("cpu-quota", value: "MICROSECONDS", "processor time in a period; -1 for no limit"),
            CommandOption("cpu-share", value: "N", "share under contention"),
            CommandOption("cpu-shares", value: "N", "the same"),
            CommandOption("cpu-burst", value: "MICROSECONDS", "saved up beyond the quota"),
            CommandOption("cpu-rt-period", value: "MICROSECONDS", "real-time period"),
            CommandOption("cpu-rt-runtime", value: "MICROSECONDS", "real-time quota"),
            CommandOption("cpu-idle", value: "0|1", "idle class"),
            CommandOption("cpuset-cpus", value: "LIST", "processors"),
            CommandOption("cpuset-mems", value: "LIST", "memory nodes"),
            CommandOption("memory", value: "BYTES", "memory; -1 for no limit"),
            CommandOption("memory-reservation", value: "BYTES", "kept for it under pressure"),
            CommandOption("memory-swap", value: "BYTES", "memory and swap together; -1 for no limit"),
            CommandOption("kernel-memory", value: "BYTES", "accepted: the kernel has no such limit any more"),
            CommandOption("kernel-memory-tcp", value: "BYTES", "memory of TCP buffers"),
            CommandOption("pids-limit", value: "N", "processes; -1 for no limit"),
        ]
    ) { runtime, arguments in
        try runtime.update(arguments.operands[0], try resources(arguments))
        return 0
    }

    private static func resources(_ arguments: ParsedArguments) throws -> Resources {
        if let file = arguments["resources"] {
            let text = file == "-" ? readAll(0).map { Data($0.utf8) } : FileManager.default.contents(atPath: file)
            guard let text else { throw ContainerError(.notFound, "cannot read resources from \(file)") }
            return try decode(Resources.self, from: text, named: file)
        }
        var resources = Resources(), memory = Resources.Memory(), cpu = Resources.CPU(), io = Resources.BlockIO()
        memory.limit = try arguments.number("memory")
        memory.reservation = try arguments.number("memory-reservation")
        memory.swap = try arguments.number("memory-swap")
        memory.kernelTCP = try arguments.number("kernel-memory-tcp")
        cpu.period = try arguments.number("cpu-period")
        cpu.quota = try arguments.number("cpu-quota")
        cpu.shares = try arguments.number("cpu-share") ?? arguments.number("cpu-shares")
        cpu.burst = try arguments.number("cpu-burst")
        cpu.realtimePeriod = try arguments.number("cpu-rt-period")
        cpu.realtimeRuntime = try arguments.number("cpu-rt-runtime")
        cpu.idle = try arguments.number("cpu-idle")
        cpu.cpus = arguments["cpuset-cpus"]
        cpu.mems = arguments["cpuset-mems"]
        io.weight = try arguments.number("blkio-weight")
        resources.memory = memory
        resources.cpu = cpu
        resources.blockIO = io
        if let pids: Int64 = try arguments.number("pids-limit") { resources.pids = Resources.Pids(limit: pids) }
        return resources
    }
}
