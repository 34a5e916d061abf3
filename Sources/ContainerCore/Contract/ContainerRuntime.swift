/// Runs isolated processes from root file systems on this host. `ContainerEngine` is the one implementation on the real kernel.
///
/// Every operation is safe to repeat and safe against the caller's death at any instant: what is left half made is removed by the next
/// `recover`.
package protocol ContainerRuntime: Sendable {
    /// Finds what earlier processes left: running containers are adopted (their guards outlive the caller), everything else is removed.
    /// To be called once, before anything else.
    func recover() async throws(ContainerError) -> [ContainerStatus]

    /// Makes everything up to the held process: state `prepared`.
    func prepare(_ configuration: ContainerConfiguration) async throws(ContainerError) -> ContainerStatus

    /// `prepared` to `running`: lets the held process go on. Returns once it has, or its exec failed (`ContainerError.wrongState`
    /// carries why).
    func start(_ id: String) async throws(ContainerError) -> ContainerStatus

    /// `running` to `frozen`.
    func freeze(_ id: String) async throws(ContainerError)

    /// `frozen` to `running`.
    func thaw(_ id: String) async throws(ContainerError)

    /// Sends a signal to the container's first process; a `KILL` goes to all of its processes.
    func signal(_ id: String, _ number: Int32) async throws(ContainerError)

    /// Kills what still runs, and removes everything of the container, its log and exit record included. Its interface and address follow
    /// within some 30 ms, before its id can be prepared again and before the runtime is shut down. Removing what is not there is no error.
    func remove(_ id: String) async throws(ContainerError)

    /// Runs a further process inside a running container and waits for it, at most `timeoutMilliseconds` (then it is killed and
    /// `timedOut` thrown). Output beyond 64 KiB is dropped.
    func run(_ id: String, arguments: [String], timeoutMilliseconds: Int64) async throws(ContainerError) -> (
        exit: ContainerExit, output: [UInt8]
    )

    func status(_ id: String) async throws(ContainerError) -> ContainerStatus
    func list() async -> [ContainerStatus]
    func statistics(_ id: String) async throws(ContainerError) -> ContainerStatistics

    /// The container's current log file; earlier ones are beside it with `.1`, `.2` and so on.
    func logPath(_ id: String) -> String

    /// One element for every container that ends from now on, adopted ones included, but for those that end by `remove`. A new call
    /// starts a new sequence.
    func exits() -> AsyncStream<(id: String, exit: ContainerExit)>
}
