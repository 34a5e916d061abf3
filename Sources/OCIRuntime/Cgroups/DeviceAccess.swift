import LinuxShims

/// Which devices a container may open.
enum DeviceAccess {
    /// What every container may do whatever its rules are (config-linux.md, default devices; and making nodes, since opening is what counts).
    private static let standard: [(type: Character, major: UInt32, minor: UInt32, access: UInt8)] = [
        ("c", .max, .max, 1), ("b", .max, .max, 1), ("c", 1, 3, 7), ("c", 1, 5, 7), ("c", 1, 7, 7), ("c", 1, 8, 7),
        ("c", 1, 9, 7),
        ("c", 5, 0, 7), ("c", 5, 2, 7), ("c", 136, .max, 7),
    ]

    /// The bundle's rules in order, then those of every container; none when the bundle has none.
    static func rules(_ given: [Resources.DeviceRule]) throws -> [sk_device_rule] {
        guard !given.isEmpty else { return [] }
        let own = try given.map { rule in
            let type = rule.type.flatMap { $0.isEmpty ? nil : $0 } ?? "a"
            guard ["a", "b", "c"].contains(type), let letter = type.utf8.first else {
                throw invalid("linux.resources.devices: type \(type) must be one of a, b and c")
            }
            return sk_device_rule(
                type: letter, allow: rule.allow ? 1 : 0, access: try access(rule.access), unused: 0,
                major: number(rule.major), minor: number(rule.minor))
        }
        let theirs = standard.map {
            sk_device_rule(
                type: $0.type.asciiValue ?? 0, allow: 1, access: $0.access, unused: 0, major: $0.major, minor: $0.minor)
        }
        return own + theirs
    }

    /// A line for cgroup v1's `devices.allow` and `devices.deny` (Documentation/admin-guide/cgroup-v1/devices.rst).
    static func line(_ rule: sk_device_rule) -> String {
        let type = Character(UnicodeScalar(rule.type))
        if type == "a" && rule.major == .max && rule.minor == .max { return "a" }
        let access = [(UInt8(2), "r"), (4, "w"), (1, "m")].filter { rule.access & $0.0 != 0 }.map(\.1).joined()
        return "\(type) \(text(rule.major)):\(text(rule.minor)) \(access)"
    }

    private static func text(_ number: UInt32) -> String { number == .max ? "*" : String(number) }

    private static func number(_ value: Int64?) -> UInt32 { value.flatMap { $0 < 0 ? nil : UInt32(clamping: $0) } ?? .max }

    private static func access(_ text: String?) throws -> UInt8 {
        guard let text, !text.isEmpty else { return 7 }
        return try text.reduce(0) { access, letter in
            switch letter {
            case "m": access | 1
            case "r": access | 2
            case "w": access | 4
            default: throw invalid("linux.resources.devices: access \(text) must be made of r, w and m")
            }
        }
    }
}
