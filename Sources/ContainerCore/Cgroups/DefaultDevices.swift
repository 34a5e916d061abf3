import LinuxShims

/// The character devices that a container may read and write, Docker's default set (moby/moby daemon/pkg/oci/defaults.go, and the
/// terminals that opencontainers/runc adds) without the host's console. Nodes of any device may be made, since opening is what counts.
enum DefaultDevices {
    /// Minor number nil for all.
    static let allowed: [(major: UInt32, minor: UInt32?)] = [
        (1, 3),  // null
        (1, 5),  // zero
        (1, 7),  // full
        (1, 8),  // random
        (1, 9),  // urandom
        (5, 0),  // tty
        (5, 2),  // ptmx
        (136, nil),  // terminals
    ]

    /// Lines for cgroup v1's `devices.allow` (Documentation/admin-guide/cgroup-v1/devices.rst).
    static var v1Rules: [String] {
        ["c *:* m", "b *:* m"] + allowed.map { "c \($0.major):\($0.minor.map(String.init) ?? "*") rwm" }
    }

    static var filter: [sk_device] {
        allowed.map { sk_device(major: $0.major, minor: $0.minor ?? .max) }
    }
}
