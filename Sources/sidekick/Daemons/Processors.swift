import Glibc

/// How many processors this process may use.
enum Processors {
    /// Those its affinity allows, at least 1.
    static var usable: Int {
        let count = sysconf(Int32(_SC_NPROCESSORS_ONLN))
        var set = cpu_set_t()
        guard sched_getaffinity(0, MemoryLayout<cpu_set_t>.size, &set) == 0 else { return max(1, count) }
        let allowed = withUnsafeBytes(of: set) { $0.reduce(0) { $0 + $1.nonzeroBitCount } }
        return max(1, min(count, allowed))
    }
}
