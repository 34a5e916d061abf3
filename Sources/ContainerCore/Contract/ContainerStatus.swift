/// Where a container stands.
package enum ContainerState: String, Hashable, Sendable, Codable, CaseIterable {
    /// Everything is made and the process is held before its program's first instruction.
    case prepared
    case running
    /// Running, and frozen by the cgroup freezer.
    case frozen
    /// Its first process ended; `exit` says how. What was made for it is gone but for its log and exit record.
    case exited
}

package struct ContainerExit: Hashable, Sendable, Codable {
    /// Exit code, or 128 + signal.
    package var code: Int32
    /// The signal that ended it, nil when it exited by itself.
    package var signal: Int32?
    /// The kernel killed a process of it for want of memory.
    package var outOfMemory: Bool
    /// What went wrong before its program ran (such as `exec /bin/web: no such file`); nil when the program ran.
    package var failure: String?

    package init(code: Int32, signal: Int32?, outOfMemory: Bool, failure: String?) {
        self.code = code
        self.signal = signal
        self.outOfMemory = outOfMemory
        self.failure = failure
    }
}

package struct ContainerStatus: Hashable, Sendable, Codable {
    package var id: String
    package var state: ContainerState
    /// Process id on the host of the container's first process; nil once exited.
    package var pid: Int32?
    /// Process id of the guard.
    package var guardPID: Int32?
    /// IPv4 address on the bridge, nil without network and once exited.
    package var address: String?
    package var exit: ContainerExit?
    package var labels: [String: String]

    package init(
        id: String, state: ContainerState, pid: Int32?, guardPID: Int32?, address: String?, exit: ContainerExit?,
        labels: [String: String]
    ) {
        self.id = id
        self.state = state
        self.pid = pid
        self.guardPID = guardPID
        self.address = address
        self.exit = exit
        self.labels = labels
    }
}

/// What a container used and is short of. Counters since its cgroup was made.
package struct ContainerStatistics: Hashable, Sendable, Codable {
    package var cpuNanoseconds: Int64 = 0
    package var throttledNanoseconds: Int64 = 0
    package var memoryBytes: Int64 = 0
    package var memoryPeakBytes: Int64 = 0
    package var processes: Int64 = 0
    package var outOfMemoryKills: Int64 = 0
    package var readBytes: Int64 = 0
    package var writtenBytes: Int64 = 0

    package init() {}
}

/// What the core failed at.
package struct ContainerError: Error, Hashable, Sendable, CustomStringConvertible {
    package enum Code: String, Hashable, Sendable {
        case alreadyExists, notFound, invalidConfiguration, wrongState, resourceMissing, kernelRefused, guardGone, timedOut
    }

    package var code: Code
    /// Names the operation and the object, and what to do next where that is known.
    package var message: String
    /// The failed call and its error text, such as `mount /proc: Permission denied`.
    package var cause: String?

    package init(_ code: Code, _ message: String, cause: String? = nil) {
        self.code = code
        self.message = message
        self.cause = cause
    }

    package var description: String { cause.map { "\(message): \($0)" } ?? message }
}
