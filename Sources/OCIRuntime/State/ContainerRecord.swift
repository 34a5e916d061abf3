import FoundationEssentials

/// What the runtime keeps of a container between its commands.
struct ContainerRecord: Codable, Sendable {
    var ociVersion: String
    var id: String
    /// Absolute.
    var bundle: String
    /// 0 until there is a process.
    var pid: Int32
    /// When the process began, in clock ticks since boot (proc_pid_stat(5), starttime): tells it from a later one of the same number.
    var startTime: UInt64
    /// RFC 3339, UTC.
    var created: String
    var rootPath: String
    var cgroupPath: String
    var annotations: [String: String]
    /// Mounts below the root lie in the host's mount namespace and have to be taken down.
    var mountsOnHost: Bool
    var owner: UInt32
}

/// The specification's state document (runtime.md, State), and what crun adds to it.
package struct StateDocument: Codable, Sendable {
    package var ociVersion: String
    package var id: String
    package var status: ContainerRunStatus
    package var pid: Int32
    package var bundle: String
    package var rootfs: String?
    package var created: String?
    package var owner: String?
    package var annotations: [String: String]
}

/// `paused` is not the specification's, but every runtime's.
package enum ContainerRunStatus: String, Codable, Sendable {
    case creating, created, running, paused, stopped
}
