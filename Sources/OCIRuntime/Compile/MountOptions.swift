/// A mount's options, told apart: what the kernel keeps per mount, how it spreads, what is ours, and what the file system is told.
struct MountOptions {
    /// `MOUNT_ATTR_*` (linux/mount.h) to set and to clear on the mount, and the same for all mounts below it.
    var set: UInt64 = 0
    var clear: UInt64 = 0
    var setBelow: UInt64 = 0
    var clearBelow: UInt64 = 0
    /// The kernel's `MS_*`; 0 for none named.
    var propagation: UInt32 = 0
    var propagationBelow = false
    var bind = false
    var recursive = false
    var remount = false
    var copyUp = false
    var idmapped = false
    var followsSource = true
    var copiesLink = false
    /// Keys and values for the file system; a flag has no value.
    var data: [(key: String, value: String)] = []

    private static let attributes: [String: UInt64] = [
        "ro": 0x1, "nosuid": 0x2, "nodev": 0x4, "noexec": 0x8, "noatime": 0x10, "strictatime": 0x20, "nodiratime": 0x80,
        "nosymfollow": 0x20_0000,
    ]
    private static let opposites: [String: UInt64] = [
        "rw": 0x1, "suid": 0x2, "dev": 0x4, "exec": 0x8, "diratime": 0x80, "symfollow": 0x20_0000,
    ]
    /// `MOUNT_ATTR__ATIME`: one of three, so setting any clears the others. `relatime` is 0.
    private static let timeMask: UInt64 = 0x70
    private static let propagations: [String: (type: UInt32, below: Bool)] = [
        "unbindable": (1 << 17, false), "runbindable": (1 << 17, true), "private": (1 << 18, false), "rprivate": (1 << 18, true),
        "slave": (1 << 19, false), "rslave": (1 << 19, true), "shared": (1 << 20, false), "rshared": (1 << 20, true),
    ]
    /// What is already so.
    private static let nothing: Set<String> = [
        "defaults", "async", "nomand", "nolazytime", "norelatime", "noiversion", "silent", "loud",
    ]

    init(_ options: [String]) {
        for option in options where !option.isEmpty { add(option) }
    }

    private mutating func add(_ option: String) {
        if Self.nothing.contains(option) { return }
        if let spread = Self.propagations[option] {
            (propagation, propagationBelow) = spread
            return
        }
        if change(option, &set, &clear) { return }
        if option.hasPrefix("r"), change(String(option.dropFirst()), &setBelow, &clearBelow) { return }
        switch option {
        case "bind": bind = true
        case "rbind": (bind, recursive) = (true, true)
        case "remount": remount = true
        case "tmpcopyup": copyUp = true
        case "copy-symlink": copiesLink = true
        case "src-nofollow": followsSource = false
        case "idmap": idmapped = true
        case "ridmap": (idmapped, recursive) = (true, true)
        default:
            let pair = option.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            data.append((String(pair[0]), pair.count == 2 ? String(pair[1]) : ""))
        }
    }

    private func change(_ option: String, _ set: inout UInt64, _ clear: inout UInt64) -> Bool {
        if option == "relatime" || option == "noatime" || option == "strictatime" {
            clear |= Self.timeMask
            set = set & ~Self.timeMask | (Self.attributes[option] ?? 0)
        } else if option == "atime" || option == "nostrictatime" {
            clear |= Self.timeMask
            set &= ~Self.timeMask
        } else if let bit = Self.attributes[option] {
            set |= bit
            clear &= ~bit
        } else if let bit = Self.opposites[option] {
            clear |= bit
            set &= ~bit
        } else {
            return false
        }
        return true
    }
}
