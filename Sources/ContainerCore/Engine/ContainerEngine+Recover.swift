import Glibc
import LinuxShims
import Synchronization

extension ContainerEngine {
    package func recover() async throws(ContainerError) -> [ContainerStatus] {
        try await threads.run { [self] () throws(ContainerError) in
            try network?.open()
            startNames()
            for id in directory.ids() { try recover(id) }
            try removeStrangers()
        }
        threads.submit { [directory] in directory.empty() }
        cradles.refill()
        // Engines that live long have the usual filter compiled before the first container asks for it: that takes some 15 ms.
        if configuration.readyCradles > 0 {
            threads.submit { [seccomp] in _ = try? seccomp.program(capabilities: ContainerConfiguration.defaultCapabilities) }
        }
        return await list()
    }

    /// Adopts one container by its guard, or keeps it as exited, or removes what is no whole container.
    private func recover(_ id: String) throws(ContainerError) {
        guard let record = directory.record(of: id), record.configuration.id == id else {
            _ = try directory.remove(id)
            return
        }
        let container = Container(record.configuration)
        container.change { $0.address = record.address }
        if let exit = directory.exit(of: id) {
            container.change { state in
                state.phase = .exited
                state.exit = exit
            }
        } else if let link = connect(record.cradle), try adopt(container, record, link) {
            // Its watcher says what becomes of it.
        } else if let exit = directory.exit(of: id) {
            // It ended while we asked.
            container.change { state in
                state.phase = .exited
                state.exit = exit
            }
        } else {
            // Its guard died with nobody watching, or with the machine.
            try directory.save(Self.killed, of: id)
            container.change { state in
                state.phase = .exited
                state.exit = Self.killed
            }
        }
        containers.withLock { $0[id] = container }
    }

    private func connect(_ cradle: String) -> GuardLink? {
        let number = sk_message_connect(runDirectory.number, "\(cradle).sock")
        guard number >= 0, let socket = try? Descriptor(number, "reach guard \(cradle)") else { return nil }
        return GuardLink(socket: socket, guardPID: sk_message_peer(number))
    }

    /// False when its guard is dead, or dumb and therefore killed.
    private func adopt(_ container: Container, _ record: ContainerRecord, _ link: GuardLink) throws(ContainerError) -> Bool {
        let told: (message: sk_message, descriptor: Descriptor?)
        do throws(ContainerError) {
            try link.send(SK_ASK_STATE)
            told = try link.await([SK_TELL_STATE, SK_TELL_EXITED], within: 10_000, "adopt container \(container.id)")
        } catch {
            if error.code == .timedOut { kill(link.guardPID, SIGKILL) }
            return false
        }
        record.firstID.map { cradles.keep(ids: $0) }
        let cradle = Cradle(
            name: record.cradle, link: link, first: told.message.first, firstID: record.firstID,
            cgroup: CgroupHandle(record.cradle))
        // One that will not freeze again goes on running.
        let isFrozen = told.message.flags & 1 != 0 && (try? cgroups.freeze(cradle.cgroup)) != nil
        container.change { state in
            state.cradle = cradle
            state.link = link
            state.pid = told.message.pid
            state.startEvent = told.descriptor
            state.phase = Int(told.message.state) == SK_STATE_PREPARED ? .prepared : isFrozen ? .frozen : .running
            if Int(told.message.kind) == SK_TELL_EXITED {
                state.phase = .exited
                state.exit = told.message.exit
            }
        }
        watch(container, link)
        return true
    }

    /// Guards, cgroups and veths of containers that nobody knows.
    private func removeStrangers() throws(ContainerError) {
        let cradles = Set(
            containers.withLock {
                $0.values.compactMap { container in container.state.withLock { $0.link == nil ? nil : $0.cradle?.name } }
            })
        for socket in names(in: configuration.runDirectory) where socket.hasSuffix(".sock") {
            let name = String(socket.dropLast(5))
            if cradles.contains(name) { continue }
            if let stranger = connect(name) {
                try? stranger.send(SK_ASK_QUIT)
                while case .message = stranger.receive(within: 5_000) {}
            }
            unlinkat(runDirectory.number, socket, 0)
        }
        for name in try cgroups.leftovers() where !cradles.contains(name) { try cgroups.remove(CgroupHandle(name)) }
        let adopted = containers.withLock { $0.values.filter { $0.status?.state != .exited }.map(\.id) }
        _ = try network?.recover(keeping: Set(adopted))
    }
}
