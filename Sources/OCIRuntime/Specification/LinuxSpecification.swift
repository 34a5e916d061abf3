/// The `linux` part of a bundle's configuration.
package struct LinuxSpecification: Codable, Sendable {
    package var namespaces: [Namespace]?
    package var uidMappings: [IDMapping]?
    package var gidMappings: [IDMapping]?
    package var timeOffsets: [String: TimeOffset]?
    package var devices: [Device]?
    package var cgroupsPath: String?
    package var resources: Resources?
    package var rootfsPropagation: String?
    package var sysctl: [String: String]?
    package var maskedPaths: [String]?
    package var readonlyPaths: [String]?
    package var mountLabel: String?
    package var seccomp: SeccompSpecification?
    package var personality: Personality?
    package var intelRdt: Ignored?
    package var memoryPolicy: Ignored?
    package var netDevices: [String: Ignored]?

    package struct Namespace: Codable, Sendable {
        package var type: String
        package var path: String?
    }

    package struct TimeOffset: Codable, Sendable {
        package var secs: Int64?
        package var nanosecs: UInt32?
    }

    package struct Device: Codable, Sendable {
        package var path: String
        package var type: String
        package var major: Int64?
        package var minor: Int64?
        package var fileMode: UInt32?
        package var uid: UInt32?
        package var gid: UInt32?
    }

    package struct Personality: Codable, Sendable {
        package var domain: String
        package var flags: [String]?
    }

    /// Something whose content does not matter, since it is refused.
    package struct Ignored: Codable, Sendable {}
}

package struct SeccompSpecification: Codable, Sendable {
    package var defaultAction: String
    package var defaultErrnoRet: UInt32?
    package var architectures: [String]?
    package var flags: [String]?
    package var listenerPath: String?
    package var listenerMetadata: String?
    package var syscalls: [Rule]?

    package struct Rule: Codable, Sendable {
        package var names: [String]
        package var action: String
        package var errnoRet: UInt32?
        package var args: [Argument]?
    }

    package struct Argument: Codable, Sendable {
        package var index: UInt32
        package var value: UInt64
        package var valueTwo: UInt64?
        package var op: String
    }
}
