import ContainerCore
import Glibc

/// What `events` prints: runc's statistics document, one a line.
enum EventStream {
    private struct Event: Encodable {
        var type = "stats"
        var id: String
        var data: Statistics
    }

    private struct Statistics: Encodable {
        var cpu: CPU
        var memory: Memory
        var pids: Pids
    }

    private struct CPU: Encodable {
        struct Usage: Encodable {
            var total: Int64
        }
        struct Throttling: Encodable {
            var periods: Int64
            var throttledPeriods: Int64
            var throttledTime: Int64
        }
        var usage: Usage
        var throttling: Throttling
    }

    private struct Memory: Encodable {
        struct Usage: Encodable {
            var limit: UInt64
            var usage: Int64
            var max: Int64
            var failcnt: Int64
        }
        var usage: Usage
        var raw: [String: Int64]
    }

    private struct Pids: Encodable {
        var current: Int64
        var limit: Int64?
    }

    static func seconds(_ text: String) throws -> UInt32 {
        guard let number = UInt32(text.hasSuffix("s") ? String(text.dropLast()) : text), number > 0 else {
            throw invalid("option --interval: \(text) must be whole seconds, such as 5s")
        }
        return number
    }

    static func print(_ runtime: Runtime, _ id: String, once: Bool, interval: UInt32) throws {
        while true {
            let (_, record, status) = try runtime.open(id)
            guard status != .stopped else {
                if once { throw ContainerError(.wrongState, "container \(id) is not running") }
                return
            }
            guard let cgroup = try runtime.cgroup(record) else {
                throw ContainerError(.resourceMissing, "container \(id) has no control groups to measure")
            }
            say(try json(Event(id: id, data: statistics(cgroup)), pretty: false))
            if once { return }
            sleep(interval)
        }
    }

    private static func statistics(_ cgroup: ContainerCgroup) -> Statistics {
        let places = cgroup.places, isUnified = places.isUnified
        let cpu = places.directory(of: "cpu")?.numbers("cpu.stat") ?? [:]
        let memory = places.directory(of: "memory"), pids = places.directory(of: "pids")
        let limit = memory?.number(isUnified ? "memory.max" : "memory.limit_in_bytes") ?? 0
        let usage = Memory.Usage(
            limit: UInt64(max(limit, 0)), usage: memory?.number(isUnified ? "memory.current" : "memory.usage_in_bytes") ?? 0,
            max: memory?.number(isUnified ? "memory.peak" : "memory.max_usage_in_bytes") ?? 0,
            failcnt: isUnified ? memory?.numbers("memory.events")["max"] ?? 0 : memory?.number("memory.failcnt") ?? 0)
        let total = isUnified ? (cpu["usage_usec"] ?? 0) * 1000 : places.directory(of: "cpuacct")?.number("cpuacct.usage") ?? 0
        let throttled = isUnified ? (cpu["throttled_usec"] ?? 0) * 1000 : cpu["throttled_time"] ?? 0
        let most = pids?.number("pids.max")
        return Statistics(
            cpu: CPU(
                usage: CPU.Usage(total: total),
                throttling: CPU.Throttling(
                    periods: cpu["nr_periods"] ?? 0, throttledPeriods: cpu["nr_throttled"] ?? 0, throttledTime: throttled)),
            memory: Memory(usage: usage, raw: memory?.numbers("memory.stat") ?? [:]),
            pids: Pids(current: pids?.number("pids.current") ?? 0, limit: most == .max ? nil : most))
    }
}
