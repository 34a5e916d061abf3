package import ContainerCore
package import SidekickModel

/// What one agent is started with.
package struct AgentConfiguration: Sendable {
    /// Stable name of the host in the fleet.
    package var host: String
    /// `address:port` of the controller's listener for agents.
    package var controller: String
    /// What the controller lets agents in by.
    package var secret: String
    /// The agent's own directory: the journal and a lock, so that two agents never share one.
    package var stateDirectory: String
    /// Path of the Unix socket that the host's gateway connects to.
    package var gatewaySocket: String
    /// What the runtime handed to the server was made with.
    package var engine: EngineConfiguration
    /// Directory of the image store handed to the server.
    package var imagesRoot: String
    /// What placement may ask for, such as `zone`.
    package var labels: [String: String]
    /// The version told to the controller.
    package var version: String
    /// `address:port` where the host's gateway takes requests of other hosts' gateways, told to the controller; nil when it takes none.
    package var gatewayAddress: String?
    /// How often a heartbeat is sent; a controller that is silent for `silence` is taken for gone.
    package var heartbeat = Milliseconds.seconds(2)
    package var silence = Milliseconds.seconds(10)
    /// The longest pause between two attempts to reach the controller.
    package var reconnect = Milliseconds.seconds(5)

    package init(
        host: String, controller: String, secret: String, stateDirectory: String, gatewaySocket: String,
        engine: EngineConfiguration, imagesRoot: String, labels: [String: String] = [:], version: String = "0.1.0"
    ) {
        self.host = host
        self.controller = controller
        self.secret = secret
        self.stateDirectory = stateDirectory
        self.gatewaySocket = gatewaySocket
        self.engine = engine
        self.imagesRoot = imagesRoot
        self.labels = labels
        self.version = version
    }
}

extension AgentConfiguration {
    /// Named volumes of services on this host.
    package var volumes: ServiceVolumes { ServiceVolumes(stateDirectory: stateDirectory) }

    /// Directories that hold what this host is commanded by.
    var keptDirectories: [String] {
        [
            stateDirectory, imagesRoot, engine.stateDirectory, engine.runDirectory, engine.initPath,
            gatewaySocket.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/"),
        ]
    }
}

/// What an agent could not start for.
package struct AgentError: Error, Hashable, Sendable, CustomStringConvertible {
    package enum Code: String, Hashable, Sendable { case alreadyRunning, invalidConfiguration, inputOutput }

    package var code: Code
    /// Names the operation and the object, and what to do next where that is known.
    package var message: String
    package var cause: String?

    package init(_ code: Code, _ message: String, cause: String? = nil) {
        self.code = code
        self.message = message
        self.cause = cause
    }

    package var description: String { cause.map { "\(message): \($0)" } ?? message }
}
