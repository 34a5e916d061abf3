import ArgumentParser
import ControlAPI
import SidekickModel

struct WaitCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "wait", abstract: "Wait until a service is in a state.",
        discussion: """
            zero: nothing online, the standbys it wants are ready. settled: as many online and standby as wanted, no rollout under way.
            """)

    @Argument(help: "The service's name.") var service: String
    @Option(name: .customLong("for"), help: "zero or settled.") var state: StateWait.State = .settled
    @Option(help: ArgumentHelp("How long at most.", valueName: "duration"))
    var timeout: DurationArgument = DurationArgument(.seconds(60))
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let start = ContinuousClock.now
        try await StateWait(client: connection.client, service: service, timeout: timeout.milliseconds).reach(state)
        StandardOutput.line("\(service): \(state.rawValue) after \(((ContinuousClock.now - start) / .seconds(1)).fixed(1)) s")
    }
}

/// Waits until a service is in a state.
struct StateWait {
    enum State: String, ExpressibleByArgument, CaseIterable {
        case zero, settled

        func holds(_ status: ServiceStatus) -> Bool {
            let counts = ReplicaCounts(status.replicas)
            let record = status.record
            let still = counts.starting == 0 && counts.leaving == 0 && (status.rollout?.phase.isFinished ?? true)
            switch self {
            case .zero:
                return still && counts.online == 0 && record.desiredOnline == 0 && counts.standby >= max(1, record.desiredStandby)
            case .settled: return still && counts.online == record.desiredOnline && counts.standby == record.desiredStandby
            }
        }
    }

    let client: ControlClient
    let service: String
    let timeout: Milliseconds

    func reach(_ state: State) async throws {
        let start = ContinuousClock.now
        while true {
            let status = try await client.service(service)
            if state.holds(status) { return }
            if ContinuousClock.now - start > .milliseconds(timeout.count) {
                throw CommandFailure(
                    .deadline, "\(service) is not \(state.rawValue) after \(timeout):\n\(StatusCommand.page(status))")
            }
            try await Task.sleep(for: .milliseconds(50))
        }
    }
}
