package import Orchestration
package import SidekickModel

/// What a controller is started with.
package struct ControllerConfiguration: Sendable {
    /// Holds `state.db`; made when missing.
    package var stateDirectory: String
    /// Unix socket of the operator API, made with mode 0600.
    package var apiSocket: String
    /// `address:port` where agents connect; port 0 takes any free one.
    package var agentListen: String
    /// What an agent must say to be let in.
    package var joinSecret: String
    package var timings = ControllerTimings()

    package init(stateDirectory: String, apiSocket: String, agentListen: String = "127.0.0.1:7070", joinSecret: String) {
        self.stateDirectory = stateDirectory
        self.apiSocket = apiSocket
        self.agentListen = agentListen
        self.joinSecret = joinSecret
    }
}

/// How long a controller waits for what.
package struct ControllerTimings: Sendable, Hashable {
    /// Between two looks at what only time changes.
    package var tick = Milliseconds.seconds(1)
    /// Between two heartbeats to each agent.
    package var heartbeat = Milliseconds.seconds(2)
    /// A session on which nothing arrived for this long is closed.
    package var sessionSilence = Milliseconds.seconds(15)
    /// A connection must say hello within this time.
    package var hello = Milliseconds.seconds(10)
    /// When a silent host counts as suspected and as lost.
    package var liveness = HostLiveness.Durations()

    package init() {}
}

/// Why a controller cannot run.
package struct ControllerError: Error, Hashable, Sendable, CustomStringConvertible {
    package enum Code: String, Hashable, Sendable {
        /// What it was started with cannot work, such as an address already taken: starting it again does not help.
        case refused
        case failed
    }

    package var code: Code
    /// Names the operation and the object, and what to do next.
    package var message: String

    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    package var description: String { message }
}
