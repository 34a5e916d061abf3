import CSeccomp
import ContainerCore
import Glibc
import LinuxShims

/// A bundle's seccomp profile, compiled by libseccomp.
struct SeccompFilter {
    /// Instructions of eight bytes each, as `struct sock_filter`.
    var program: [UInt64] = []
    /// `SECCOMP_FILTER_FLAG_*`.
    var flags: UInt32 = 0

    private static let flagNumbers: [String: UInt32] = [
        "SECCOMP_FILTER_FLAG_TSYNC": 1, "SECCOMP_FILTER_FLAG_LOG": 2, "SECCOMP_FILTER_FLAG_SPEC_ALLOW": 4,
    ]
    private static let comparisons: [String: scmp_compare] = [
        "SCMP_CMP_NE": SCMP_CMP_NE, "SCMP_CMP_LT": SCMP_CMP_LT, "SCMP_CMP_LE": SCMP_CMP_LE, "SCMP_CMP_EQ": SCMP_CMP_EQ,
        "SCMP_CMP_GE": SCMP_CMP_GE, "SCMP_CMP_GT": SCMP_CMP_GT, "SCMP_CMP_MASKED_EQ": SCMP_CMP_MASKED_EQ,
    ]

    init() {}

    init(_ profile: SeccompSpecification) throws {
        for flag in profile.flags ?? [] {
            guard let number = Self.flagNumbers[flag] else { throw invalid("linux.seccomp.flags: \(flag) is not supported") }
            flags |= number
        }
        let standard = try Self.action(profile.defaultAction, profile.defaultErrnoRet, "defaultAction")
        guard let filter = seccomp_init(standard) else {
            throw ContainerError(.kernelRefused, "cannot compile linux.seccomp: libseccomp gave no filter")
        }
        defer { seccomp_release(filter) }
        for name in profile.architectures ?? [] { try Self.add(architecture: name, to: filter) }
        for rule in profile.syscalls ?? [] { try Self.add(rule, to: filter, standard: standard) }
        // A tree of comparisons instead of a list: found in ten steps instead of hundreds.
        _ = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2)
        program = try Self.export(filter)
    }

    private static func action(_ name: String, _ number: UInt32?, _ place: String) throws -> UInt32 {
        switch name {
        case "SCMP_ACT_KILL", "SCMP_ACT_KILL_THREAD": return 0
        case "SCMP_ACT_KILL_PROCESS": return 0x8000_0000
        case "SCMP_ACT_TRAP": return 0x0003_0000
        case "SCMP_ACT_ERRNO": return 0x0005_0000 | (number ?? UInt32(EPERM)) & 0xffff
        case "SCMP_ACT_TRACE": return 0x7ff0_0000 | (number ?? UInt32(EPERM)) & 0xffff
        case "SCMP_ACT_LOG": return 0x7ffc_0000
        case "SCMP_ACT_ALLOW": return 0x7fff_0000
        case "SCMP_ACT_NOTIFY":
            throw invalid("linux.seccomp.\(place): SCMP_ACT_NOTIFY with a listener is not supported")
        default: throw invalid("linux.seccomp.\(place): action \(name) does not exist")
        }
    }

    private static func add(architecture name: String, to filter: scmp_filter_ctx) throws {
        let plain = name.hasPrefix("SCMP_ARCH_") ? name.dropFirst(10).lowercased() : name.lowercased()
        let token = seccomp_arch_resolve_name(plain)
        guard token != 0 else { throw invalid("linux.seccomp.architectures: \(name) does not exist") }
        let error = seccomp_arch_add(filter, token)
        guard error == 0 || error == -EEXIST else {
            throw ContainerError(.kernelRefused, "cannot compile linux.seccomp for \(name)", cause: systemText(-error))
        }
    }

    private static func add(_ rule: SeccompSpecification.Rule, to filter: scmp_filter_ctx, standard: UInt32) throws {
        let action = try action(rule.action, rule.errnoRet, "syscalls")
        guard action != standard else { return }
        let conditions = try (rule.args ?? []).map { argument in
            guard let comparison = comparisons[argument.op] else {
                throw invalid("linux.seccomp.syscalls: op \(argument.op) does not exist")
            }
            guard argument.index < 6 else { throw invalid("linux.seccomp.syscalls: index \(argument.index) must be 0 to 5") }
            return scmp_arg_cmp(
                arg: argument.index, op: comparison, datum_a: argument.value, datum_b: argument.valueTwo ?? 0)
        }
        // libseccomp compares an argument once in a rule; more often is meant as alternatives.
        let isRepeated = Set(conditions.map(\.arg)).count < conditions.count
        for name in rule.names {
            let number = seccomp_syscall_resolve_name(name)
            // Newer than this libseccomp, and so than what can be filtered by name.
            guard number != __NR_SCMP_ERROR_VALUE else { continue }
            for group in isRepeated ? conditions.map({ [$0] }) : [conditions] {
                let error = seccomp_rule_add_array(filter, action, number, UInt32(group.count), group)
                guard error == 0 || error == -EEXIST || error == -EDOM else {
                    throw ContainerError(.kernelRefused, "cannot compile the seccomp rule for \(name)", cause: systemText(-error))
                }
            }
        }
    }

    private static func export(_ filter: scmp_filter_ctx) throws -> [UInt64] {
        let file = try Descriptor(sk_memory_file(nil, 0), "keep the seccomp program")
        let error = seccomp_export_bpf(filter, file.number)
        guard error == 0 else { throw ContainerError(.kernelRefused, "cannot compile linux.seccomp", cause: systemText(-error)) }
        let size = Int(lseek(file.number, 0, SEEK_END))
        var program = [UInt64](repeating: 0, count: size / 8)
        let got = program.withUnsafeMutableBytes { pread(file.number, $0.baseAddress, $0.count, 0) }
        guard got == size, size % 8 == 0 else {
            throw ContainerError(.kernelRefused, "cannot read the seccomp program back")
        }
        return program
    }
}
