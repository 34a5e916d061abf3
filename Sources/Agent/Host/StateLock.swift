import Glibc

/// Holds the agent's directory for this process; the kernel lets go of it when the process ends, however it ends.
struct StateLock: Sendable {
    private let descriptor: OwnedDescriptor

    init(directory: String) throws(AgentError) {
        let path = "\(directory)/lock"
        let opened = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard opened >= 0 else {
            throw AgentError(.inputOutput, "failed to open \(path)", cause: String(cString: strerror(errno)))
        }
        descriptor = OwnedDescriptor(opened)
        guard flock(opened, LOCK_EX | LOCK_NB) == 0 else {
            throw AgentError(.alreadyRunning, "another agent uses \(directory); stop it or give this one a directory of its own")
        }
    }
}
