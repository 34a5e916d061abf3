import ContainerCore

/// Facts of processes by `/proc/PID/stat` (proc_pid_stat(5)).
enum ProcessTable {
    /// State letter and start time; nil when there is none of that number.
    static func find(_ pid: Int32) -> (state: Character, startTime: UInt64)? {
        guard pid > 0, let text = readSmallFile("/proc/\(pid)/stat"), let close = text.lastIndex(of: ")") else { return nil }
        let fields = text[text.index(after: close)...].split(separator: " ")
        guard fields.count > 19, let state = fields[0].first, let time = UInt64(fields[19]) else { return nil }
        return (state, time)
    }

    /// Whether the process that began then still runs; one that only waits to be reaped does not.
    static func isAlive(_ pid: Int32, since startTime: UInt64) -> Bool {
        guard let found = find(pid) else { return false }
        return found.startTime == startTime && found.state != "Z" && found.state != "X"
    }
}
