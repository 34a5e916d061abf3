/// A process of a container: the bundle's `process`, and what `exec --process` reads.
package struct ProcessSpecification: Codable, Sendable {
    package var terminal: Bool?
    package var consoleSize: ConsoleSize?
    package var cwd: String
    package var env: [String]?
    package var args: [String]?
    package var user: User?
    package var capabilities: Capabilities?
    package var rlimits: [ResourceLimit]?
    package var noNewPrivileges: Bool?
    package var oomScoreAdj: Int32?
    package var apparmorProfile: String?
    package var selinuxLabel: String?
    package var scheduler: Scheduler?
    package var ioPriority: IOPriority?
    package var execCPUAffinity: CPUAffinity?

    package struct ConsoleSize: Codable, Sendable {
        package var height: UInt32
        package var width: UInt32
    }

    package struct User: Codable, Sendable {
        package var uid: UInt32?
        package var gid: UInt32?
        package var umask: UInt32?
        package var additionalGids: [UInt32]?
    }

    package struct Capabilities: Codable, Sendable {
        package var bounding: [String]?
        package var effective: [String]?
        package var inheritable: [String]?
        package var permitted: [String]?
        package var ambient: [String]?
    }

    package struct ResourceLimit: Codable, Sendable {
        package var type: String
        package var soft: UInt64
        package var hard: UInt64
    }

    package struct Scheduler: Codable, Sendable {
        package var policy: String
        package var nice: Int32?
        package var priority: Int32?
        package var flags: [String]?
        package var runtime: UInt64?
        package var deadline: UInt64?
        package var period: UInt64?
    }

    package struct IOPriority: Codable, Sendable {
        package var `class`: String
        package var priority: Int32?
    }

    package struct CPUAffinity: Codable, Sendable {
        package var initial: String?
        package var final: String?
    }
}
