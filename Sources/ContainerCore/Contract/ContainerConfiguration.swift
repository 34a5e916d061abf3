/// Everything one container is made from. The core knows no cluster: ids and labels are the caller's.
package struct ContainerConfiguration: Hashable, Sendable, Codable {
    /// Unique on the host among this engine's containers: 1-64 of `a-z A-Z 0-9 _ . -`, first a letter or digit.
    package var id: String
    /// Directories of the unpacked image layers, topmost first; shared between containers and never written. One layer at least.
    package var layers: [String]
    /// Program and arguments; the program is looked up in the container's `PATH` when it holds no `/`.
    package var arguments: [String]
    /// `NAME=value`.
    package var environment: [String]
    package var workingDirectory: String
    package var user: ContainerUser
    /// Host name inside; the id when nil.
    package var hostname: String?
    package var readOnlyRoot: Bool
    package var mounts: [ContainerMount]
    package var limits: ContainerLimits
    /// Names of capabilities kept, such as `CAP_CHOWN`.
    package var capabilities: [String]
    package var noNewPrivileges: Bool
    /// Whether it gets its own user namespace with an id range no other container has.
    package var userNamespace: Bool
    /// Whether the default seccomp profile applies.
    package var seccomp: Bool
    /// Whether it gets a veth on the engine's bridge; else only loopback.
    package var network: Bool
    package var log: LogPolicy
    /// The whole of /etc/resolv.conf; the host's, without servers on its loopback, when nil.
    package var resolver: String?
    /// Resource limits of its processes by name, such as `nofile`; those of the engine's own process for what is not named.
    package var resourceLimits: [String: ResourceLimit]?
    /// Kernel settings of its own namespaces, such as `net.core.somaxconn`.
    package var kernelSettings: [String: String]?
    /// -1000 (never killed for want of memory) to 1000 (first); 0 when nil.
    package var outOfMemoryScore: Int32?
    /// Whether its standard streams are a terminal of its own, in which attached clients type.
    package var terminal: Bool?
    /// Whether its standard input is what attached clients type, rather than empty.
    package var openInput: Bool?
    /// The caller's, kept and given back.
    package var labels: [String: String]

    package init(id: String, layers: [String], arguments: [String]) {
        self.id = id
        self.layers = layers
        self.arguments = arguments
        environment = ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]
        workingDirectory = "/"
        user = ContainerUser(uid: 0, gid: 0)
        hostname = nil
        readOnlyRoot = false
        mounts = []
        limits = ContainerLimits()
        capabilities = Self.defaultCapabilities
        noNewPrivileges = true
        userNamespace = true
        seccomp = true
        network = true
        log = LogPolicy()
        labels = [:]
    }

    /// Docker's default set (moby/moby oci/caps/defaults.go).
    package static let defaultCapabilities = [
        "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID", "CAP_FOWNER", "CAP_MKNOD", "CAP_NET_RAW", "CAP_SETGID", "CAP_SETUID",
        "CAP_SETFCAP", "CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT", "CAP_KILL", "CAP_AUDIT_WRITE",
    ]
}

package struct ContainerUser: Hashable, Sendable, Codable {
    package var uid: UInt32
    package var gid: UInt32
    package var additionalGroups: [UInt32]

    package init(uid: UInt32, gid: UInt32, additionalGroups: [UInt32] = []) {
        self.uid = uid
        self.gid = gid
        self.additionalGroups = additionalGroups
    }
}

/// A mount beside the standard ones (/proc, /dev, /sys and the like).
package struct ContainerMount: Hashable, Sendable, Codable {
    package enum Kind: String, Hashable, Sendable, Codable { case bind, tmpfs }

    package var kind: Kind
    /// Host path of a bind; empty for tmpfs.
    package var source: String
    /// Absolute path inside.
    package var target: String
    package var readOnly: Bool
    /// Size limit of a tmpfs in bytes; nil for the kernel's default.
    package var size: Int64?
    /// Whether a symbolic link on the way to a bind's source is refused, so that whoever can write there cannot lead it elsewhere;
    /// followed when nil.
    package var refusesLinks: Bool?

    package init(kind: Kind, source: String, target: String, readOnly: Bool, size: Int64? = nil, refusesLinks: Bool? = nil) {
        self.refusesLinks = refusesLinks
        self.kind = kind
        self.source = source
        self.target = target
        self.readOnly = readOnly
        self.size = size
    }
}

/// A soft and a hard limit, as setrlimit(2) takes them.
package struct ResourceLimit: Hashable, Sendable, Codable {
    package var soft: UInt64
    package var hard: UInt64

    package static let unlimited = UInt64.max

    package init(soft: UInt64, hard: UInt64) {
        self.soft = soft
        self.hard = hard
    }
}

/// Limits of one container; nil means none.
package struct ContainerLimits: Hashable, Sendable, Codable {
    /// Thousandths of one core.
    package var cpuMillis: Int64?
    /// Relative share under contention, 1 to 10,000 (cgroup v2's cpu.weight).
    package var cpuWeight: Int64?
    package var memoryBytes: Int64?
    /// Memory and swap together; equal to `memoryBytes` means no swap.
    package var memoryAndSwapBytes: Int64?
    package var pids: Int64?
    /// Bytes and operations per second on every block device.
    package var readBytesPerSecond: Int64?
    package var writeBytesPerSecond: Int64?
    /// Bits per second through its veth.
    package var egressBitsPerSecond: Int64?
    package var ingressBitsPerSecond: Int64?

    package init() {}
}

/// Where the container's output goes: `<timestamp> <stdout|stderr> <P|F> <text>` lines (the CRI log format) in a rotated file.
package struct LogPolicy: Hashable, Sendable, Codable {
    /// Bytes at which the file is rotated.
    package var maximumBytes: Int64 = 16 << 20
    /// Files kept, the current one included.
    package var maximumFiles: Int = 3

    package init() {}
}
