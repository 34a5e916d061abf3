/// Work that is heavy for the host (unpacking, preparing, removing) stands in line: a host ordered to keep a hundred standbys must still wake
/// one at once. Urgent work goes before the rest, each in the order it came.
struct WorkLine<Job> {
    let limit: Int
    private var running = 0
    private var urgent: [Job] = []
    private var patient: [Job] = []

    /// - Parameter limit: how much is done at once, 1 or more.
    init(limit: Int) { self.limit = limit }

    /// The job, when it is to begin now.
    mutating func add(_ job: Job, isUrgent: Bool) -> Job? {
        guard running >= limit else {
            running += 1
            return job
        }
        if isUrgent { urgent.append(job) } else { patient.append(job) }
        return nil
    }

    /// One has ended: the job that is to begin in its place.
    mutating func next() -> Job? {
        if !urgent.isEmpty { return urgent.removeFirst() }
        if !patient.isEmpty { return patient.removeFirst() }
        running -= 1
        return nil
    }
}
