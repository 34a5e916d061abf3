import Agent
import ArgumentParser
import ContainerCore
import FoundationEssentials
import Glibc
import ImageStore
import SidekickModel
import Synchronization
import UnixSignals

extension ContainerCommand {
    struct Run: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make and start a container of an image.",
            discussion: """
                In the foreground its output is shown and INT and TERM go to it; the exit code is the container's. With -it it has a terminal of
                its own: ^P ^Q detaches and leaves it running, `container attach` comes back.
                """)

        @Option(help: ArgumentHelp("Its name; made up when not given.", valueName: "name")) var name: String?
        @Flag(name: .shortAndLong, help: "Print the name and leave it running.") var detach = false
        @OptionGroup var streams: StreamOptions
        @Flag(help: "Remove it when it ends in the foreground.") var rm = false
        @Option(name: .shortAndLong, help: ArgumentHelp("A variable, NAME=VALUE; repeat for more.", valueName: "variable"))
        var env: [String] = []
        @Option(help: ArgumentHelp("Memory limit, such as 64MiB.", valueName: "size")) var memory: String?
        @Option(help: ArgumentHelp("Processor share, such as 500m or 2.", valueName: "share")) var cpus: String?
        @Option(help: ArgumentHelp("The most processes and threads.", valueName: "count")) var pidsLimit: Int64?
        @Flag(help: "Make the root file system read-only.") var readOnly = false
        @Option(help: ArgumentHelp("A tmpfs, PATH or PATH:SIZE; repeat for more.", valueName: "mount")) var tmpfs: [String] = []
        @Option(
            name: [.customShort("v"), .long],
            help: ArgumentHelp(
                "A host directory or a named volume, SOURCE:TARGET or SOURCE:TARGET:ro; repeat for more.", valueName: "mount"))
        var volume: [String] = []
        @Option(
            name: .shortAndLong,
            help: ArgumentHelp("user, uid, user:group or uid:gid; the image's when not given.", valueName: "user"))
        var user: String?
        @Option(help: ArgumentHelp("Host name inside.", valueName: "name")) var hostname: String?
        @Option(
            help: ArgumentHelp(
                "Most of a resource, such as nofile=1024 or nofile=1024:4096; repeat for more.", valueName: "limit"))
        var ulimit: [String] = []
        @Option(
            help: ArgumentHelp("Memory and swap together, such as 128MiB; no swap when not given.", valueName: "size"))
        var memorySwap: String?
        @Option(
            help: ArgumentHelp(
                "seccomp=unconfined for no system call filter, no-new-privileges=false for programs that gain some by their file.",
                valueName: "option"))
        var securityOpt: [String] = []
        @Option(help: ArgumentHelp("A capability to add, such as NET_ADMIN.", valueName: "name")) var capAdd: [String] = []
        @Option(help: ArgumentHelp("A capability to drop; ALL for every one.", valueName: "name")) var capDrop: [String] = []
        @Flag(help: "Only loopback inside.") var noNetwork = false
        @OptionGroup var engine: LocalEngineOptions
        @Argument(help: "The image, such as hello:1.") var image: String
        @Argument(parsing: .captureForPassthrough, help: "Program and arguments; the image's when not given.") var command:
            [String] = []

        func run() async throws {
            if !detach { try streams.check("run") }
            let code: Int32 = try await engine.withEngine { engine, unlock in
                let configuration = try await configuration()
                let signals = await UnixSignalsSequence(trapping: .sigint, .sigterm)
                let exits = engine.exits()
                _ = try await engine.prepare(configuration)
                let attached = detach || (!streams.tty && !streams.interactive) ? nil : try engine.attach(configuration.id)
                do {
                    // Before the program looks at it.
                    if streams.tty, let size = RawTerminal.size() {
                        try engine.resize(configuration.id, rows: size.rows, columns: size.columns)
                    }
                    _ = try await engine.start(configuration.id)
                } catch {
                    try? await engine.remove(configuration.id)
                    throw error
                }
                unlock()
                if detach {
                    StandardOutput.line(configuration.id)
                    return 0
                }
                let id = configuration.id
                let code: Int32
                if let attached {
                    let isTyped = streams.interactive
                    let relay = StreamRelay(peer: .attachment(attached), takesInput: isTyped, detaches: isTyped && streams.tty)
                    let forward = forward(signals, to: engine, id)
                    defer { forward.cancel() }
                    let outcome = await streams.carry(relay) { rows, columns in
                        try? engine.resize(id, rows: rows, columns: columns)
                    }
                    if case .detached = outcome { return 0 }
                    let exit = try await end(of: id, engine, exits)
                    explain(exit, id)
                    code = exit?.code ?? 1
                } else {
                    code = try await foreground(engine, id, exits, signals)
                }
                if rm { try await engine.remove(configuration.id) }
                return code
            }
            if code != 0 { throw ExitCode(code) }
        }

        /// Shows the output and passes signals on until the container ends.
        private func foreground(
            _ engine: ContainerEngine, _ id: String, _ exits: AsyncStream<(id: String, exit: ContainerExit)>,
            _ signals: UnixSignalsSequence
        ) async throws -> Int32 {
            let path = engine.logPath(id)
            let hasEnded = EndMark()
            let follow = Task {
                try await LogReader.read(path: path, tail: .max, follow: true, ended: { hasEnded.isSet }) {
                    StandardOutput.write($0)
                }
            }
            let forward = forward(signals, to: engine, id)
            let exit = try await end(of: id, engine, exits)
            forward.cancel()
            hasEnded.set()
            try await follow.value
            explain(exit, id)
            return exit?.code ?? 1
        }

        /// Says what the exit code does not.
        private func explain(_ exit: ContainerExit?, _ id: String) {
            if let failure = exit?.failure { StandardError.write("sidekick: container \(id): \(failure)\n") }
            if exit?.outOfMemory == true {
                StandardError.write("sidekick: container \(id): a process of it was killed for want of memory; raise --memory\n")
            }
        }

        private func forward(_ signals: UnixSignalsSequence, to engine: ContainerEngine, _ id: String) -> Task<Void, Never> {
            Task { for await signal in signals { try? await engine.signal(id, signal == .sigint ? SIGINT : SIGTERM) } }
        }

        private func end(
            of id: String, _ engine: ContainerEngine, _ exits: AsyncStream<(id: String, exit: ContainerExit)>
        ) async throws -> ContainerExit? {
            if let exit = try await engine.status(id).exit { return exit }
            for await ended in exits where ended.id == id { return ended.exit }
            return nil
        }

        private func configuration() async throws -> ContainerConfiguration {
            let store = try engine.store()
            let unpacked = try await store.unpack(store.image(image).digest)
            let id = name ?? "c" + String(UInt32.random(in: 0x1000_0000...UInt32.max), radix: 16)
            var made = try ContainerPlan.process(
                id: id, hostname: hostname ?? id, image: unpacked, named: image, command: command, user: user, environment: env)
            made.readOnlyRoot = readOnly
            made.network = !noNetwork
            made.labels = ["image": unpacked.digest]
            made.limits.pids = pidsLimit
            if let memory {
                guard let bytes = ByteCount(text: memory) else { throw refuse("--memory \(memory)", "a size such as 64MiB") }
                made.limits.memoryBytes = bytes.bytes
                made.limits.memoryAndSwapBytes = bytes.bytes
            }
            if let memorySwap {
                guard let bytes = ByteCount(text: memorySwap), memory != nil, bytes.bytes >= made.limits.memoryBytes ?? 0 else {
                    throw refuse(
                        "--memory-swap \(memorySwap)", "a size such as 128MiB, of --memory at least, which must be given too")
                }
                made.limits.memoryAndSwapBytes = bytes.bytes
            }
            for text in ulimit {
                let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
                let values = parts.count == 2 ? parts[1].split(separator: ":").map { UInt64($0) } : []
                guard let soft = values.first ?? nil, let hard = values.last ?? nil, values.count <= 2, soft <= hard else {
                    throw refuse("--ulimit \(text)", "NAME=SOFT or NAME=SOFT:HARD such as nofile=1024:4096")
                }
                made.resourceLimits = (made.resourceLimits ?? [:]).merging([parts[0]: ResourceLimit(soft: soft, hard: hard)]) {
                    $1
                }
            }
            for text in securityOpt {
                switch text {
                case "seccomp=unconfined": made.seccomp = false
                case "no-new-privileges=false": made.noNewPrivileges = false
                case "no-new-privileges", "no-new-privileges=true": made.noNewPrivileges = true
                default:
                    throw refuse(
                        "--security-opt \(text)", "seccomp=unconfined, no-new-privileges=true or no-new-privileges=false")
                }
            }
            if let cpus {
                guard let share = MilliCPU(text: cpus) else { throw refuse("--cpus \(cpus)", "a share such as 500m or 2") }
                made.limits.cpuMillis = share.count
            }
            made.terminal = streams.tty
            made.openInput = streams.interactive
            made.mounts = try mounts()
            made.capabilities = capabilities()
            return made
        }

        private func mounts() throws -> [ContainerMount] {
            let temporary = try tmpfs.map { text in
                let parts = text.split(separator: ":", maxSplits: 1).map(String.init)
                let size = parts.count == 2 ? ByteCount(text: parts[1]) : nil
                guard parts.count == 1 || size != nil else {
                    throw refuse("--tmpfs \(text)", "PATH or PATH:SIZE such as /tmp:16MiB")
                }
                return ContainerMount(kind: .tmpfs, source: "", target: parts[0], readOnly: false, size: size?.bytes)
            }
            let bound = try volume.map { text in
                let parts = text.split(separator: ":").map(String.init)
                guard parts.count == 2 || (parts.count == 3 && ["ro", "rw"].contains(parts[2])), parts[1].hasPrefix("/"),
                    parts[0].hasPrefix("/") || VolumeSpec.isName(parts[0])
                else {
                    throw refuse(
                        "--volume \(text)", "SOURCE:TARGET or SOURCE:TARGET:ro, the source an absolute path or a volume's name")
                }
                let source = parts[0].hasPrefix("/") ? parts[0] : try engine.volumes.make(parts[0])
                return ContainerMount(
                    kind: .bind, source: source, target: parts[1], readOnly: parts.count == 3 && parts[2] == "ro")
            }
            return temporary + bound
        }

        private func capabilities() -> [String] {
            func full(_ name: String) -> String {
                name.uppercased().hasPrefix("CAP_") ? name.uppercased() : "CAP_" + name.uppercased()
            }
            let dropped = Set(capDrop.map(full))
            let kept =
                dropped.contains("CAP_ALL") ? [] : ContainerConfiguration.defaultCapabilities.filter { !dropped.contains($0) }
            return kept + capAdd.map(full).filter { !kept.contains($0) }
        }

        private func refuse(_ what: String, _ expected: String) -> CommandFailure {
            CommandFailure(.refused, "container run: \(what) is not \(expected)")
        }
    }
}

/// Set once, seen by others.
final class EndMark: Sendable {
    private let value = Mutex(false)
    var isSet: Bool { value.withLock { $0 } }
    func set() { value.withLock { $0 = true } }
}
