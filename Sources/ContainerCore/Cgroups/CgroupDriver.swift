/// Limits, freezes, measures and ends groups of processes by the kernel's control groups; one group per container.
///
/// Every function blocks for as long as the kernel takes (microseconds, milliseconds for `freeze`, `killAll` and `remove` of busy
/// groups): call them from a thread that may wait, never from the cooperative pool. All are safe to call from several threads for
/// different groups, and safe to repeat.
package protocol CgroupDriver: Sendable {
    /// What this host cannot do, one sentence each, such as `no pids controller: process limits are not enforced`.
    var notes: [String] { get }

    /// Makes the group with its limits and the default device access, before any process is in it. A group of that name that already
    /// exists is taken over.
    func create(_ name: String, limits: ContainerLimits) throws(ContainerError) -> CgroupHandle

    /// Replaces the limits of a group in use. A limit that is nil is lifted.
    func update(_ handle: CgroupHandle, limits: ContainerLimits) throws(ContainerError)

    /// Moves a process in. The kernel makes this wait about 10 ms when no other move just happened: prefer `entry`.
    func join(_ handle: CgroupHandle, pid: Int32) throws(ContainerError)

    /// How a process gets in without this driver: what a launch plan carries.
    func entry(_ handle: CgroupHandle) -> CgroupEntry

    /// The processes in the group and below, as seen from the caller's pid namespace.
    func processes(_ handle: CgroupHandle) throws(ContainerError) -> [Int32]

    /// Returns once the kernel says that every process is frozen; `timedOut` (and thawed again) if it does not within five seconds.
    func freeze(_ handle: CgroupHandle) throws(ContainerError)

    /// Asks the kernel to freeze; true when every process is frozen by now, else `freeze` waits for it. Waits for nothing itself: a
    /// write and a read, to be called from anywhere.
    func beginFreezing(_ handle: CgroupHandle) throws(ContainerError) -> Bool

    /// One write that waits for nothing, to be called from anywhere.
    func thaw(_ handle: CgroupHandle) throws(ContainerError)

    /// Sends KILL to every process of the group, frozen ones and those forked meanwhile included. Does not wait for their end.
    func killAll(_ handle: CgroupHandle) throws(ContainerError)

    func statistics(_ handle: CgroupHandle) throws(ContainerError) -> ContainerStatistics

    /// Pressure stall information of the group, nil where the kernel keeps none.
    func pressure(_ handle: CgroupHandle) throws(ContainerError) -> CgroupPressure?

    /// How many of the group's processes the kernel killed for want of memory.
    func oomKills(_ handle: CgroupHandle) throws(ContainerError) -> Int64

    /// Kills what is left in the group, waits for its end, and removes the group. Removing what is not there is no error.
    func remove(_ handle: CgroupHandle) throws(ContainerError)

    /// Names of the groups that exist below the engine's parent in any hierarchy, sorted.
    func leftovers() throws(ContainerError) -> [String]

    /// Removes every group and the parent itself.
    func destroy() throws(ContainerError)
}

/// One container's group. The name is the container's id; a handle can be made anew from it after a restart.
package struct CgroupHandle: Hashable, Sendable {
    package let name: String

    package init(_ name: String) {
        self.name = name
    }
}

/// How a process enters a group.
package enum CgroupEntry: Hashable, Sendable {
    /// cgroup v1: writing the process id (or `0` for oneself) to each of these files.
    case write([String])
    /// cgroup v2: cloning with `CLONE_INTO_CGROUP` and a descriptor of this directory; writing to its `cgroup.procs` also works.
    case clone(directory: String)

    /// The `cgroup.procs` files, whichever way is preferred.
    package var files: [String] {
        switch self {
        case .write(let files): files
        case .clone(let directory): ["\(directory)/cgroup.procs"]
        }
    }
}

/// Shares of time in which processes of a group waited for a resource (the kernel's Documentation/accounting/psi.rst).
package struct CgroupPressure: Hashable, Sendable {
    package struct Reading: Hashable, Sendable {
        /// Percent of the last 10 s in which at least one process waited.
        package var some10: Double
        /// Percent of the last 10 s in which all waited.
        package var full10: Double
        /// Microseconds in all in which at least one waited.
        package var someTotal: Int64
        package var fullTotal: Int64
    }

    package var cpu: Reading?
    package var memory: Reading?
    package var io: Reading?
}
