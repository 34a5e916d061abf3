import Glibc
import LinuxShims
import Synchronization

extension ContainerEngine {
    /// Hears the container's guard from now on.
    func watch(_ container: Container, _ link: GuardLink) {
        watcher.watch(link) { [weak self, weak container] received in
            guard let self, let container else { return }
            switch received {
            case .message(let message, _): hear(message, of: container)
            case .end: guardEnded(container, link)
            case .nothing: break
            }
        }
    }

    private func hear(_ message: sk_message, of container: Container) {
        switch Int(message.kind) {
        case SK_TELL_STARTED:
            container.change { state in
                guard state.phase == .starting else { return }
                state.phase = .running
                state.startEvent = nil
            }
        case SK_TELL_FAILED:
            // Of a further process; what fails of the program itself comes with its exit.
            container.state.withLock { $0.furtherProcesses[message.cookie] }?.result.withLock { $0.failure = message.failureText }
        case SK_TELL_EXEC_EXITED:
            guard let process = container.state.withLock({ $0.furtherProcesses[message.cookie] }) else { return }
            process.result.withLock { $0.exit = message.exit }
            _ = sk_eventfd_signal(process.ended.number)
        case SK_TELL_EXITED: ended(container, message.exit)
        default: break
        }
    }

    private func ended(_ container: Container, _ exit: ContainerExit) {
        let isNews = container.change { state in
            guard state.phase != .exited else { return false }
            state.phase = .exited
            state.exit = exit
            state.startEvent = nil
            for process in state.furtherProcesses.values { _ = sk_eventfd_signal(process.ended.number) }
            return !state.isRemoving
        }
        if isNews { listeners.tell(container.id, exit) }
    }

    /// The guard has ended: as it should, after the container, or killed, taking the container along.
    private func guardEnded(_ container: Container, _ link: GuardLink) {
        cradles.enter()
        threads.submit { [self] in
            defer { cradles.leave() }
            _ = sk_reap(link.guardPID)
            let (isRecorded, isRemoving, cradle) = container.state.withLock { ($0.phase == .exited, $0.isRemoving, $0.cradle) }
            clear(container, cradle)
            if !isRecorded {
                let exit = directory.exit(of: container.id) ?? Self.killed
                if !isRemoving { try? directory.save(exit, of: container.id) }
                ended(container, exit)
            }
            container.change { state in
                state.link = nil
                state.isCleared = true
            }
        }
    }

    static let killed = ContainerExit(code: 128 + SIGKILL, signal: SIGKILL, outOfMemory: false, failure: nil)

    /// Removes what was made in the kernel for a container whose processes are dead or die of this.
    func clear(_ container: Container, _ cradle: Cradle?) {
        if let cradle {
            try? cgroups.killAll(cradle.cgroup)
            step("rest killed")
            cradles.clear(name: cradle.name, firstID: cradle.firstID, cgroup: cradle.cgroup)
        }
        if container.configuration.network { detachments?.begin(container.id) }
    }

    package func remove(_ id: String) async throws(ContainerError) {
        guard let container = containers.withLock({ $0[id] }) else { return }
        cradles.enter()
        defer { cradles.leave() }
        await container.wait { $0.phase != .preparing }
        let (phase, link, cradle) = container.change { state in
            state.isRemoving = true
            return (state.phase, state.link, state.cradle)
        }
        if phase != .exited, let link {
            try? link.send(SK_ASK_QUIT)
            step("end asked")
            if phase == .frozen, let cradle {
                let cgroups = cgroups
                try await threads.run { () throws(ContainerError) in try cgroups.killAll(cradle.cgroup) }
            }
        }
        let watchdog = link.map { link in
            Task {
                // A guard that hangs is ended; the kernel then ends its container.
                try await Task.sleep(for: .seconds(10))
                kill(link.guardPID, SIGKILL)
            }
        }
        await container.wait { $0.isCleared || $0.cradle == nil }
        watchdog?.cancel()
        let isOurs = container.change { state in
            defer { state.isDirectoryTaken = true }
            return !state.isDirectoryTaken
        }
        guard isOurs else { return await container.wait { $0.isGone } }
        defer { container.change { $0.isGone = true } }
        // A container that could not be prepared is gone already, and its id free.
        guard containers.withLock({ $0[id] === container }) else { return }
        let left = try directory.remove(id)
        step("directory removed")
        containers.withLock { if $0[id] === container { $0[id] = nil } }
        if let left { threads.submit { [directory] in directory.empty(left) } }
    }
}
