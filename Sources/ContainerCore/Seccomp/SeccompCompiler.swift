import CSeccomp
import Glibc
import LinuxShims
import Synchronization

/// Turns the profile into the kernel's filter programs by libseccomp, once for each set of capabilities.
final class SeccompCompiler: Sendable {
    private let made = Mutex<[Set<String>: [UInt64]]>([:])

    /// Instructions of eight bytes each, as `struct sock_filter`.
    func program(capabilities: [String]) throws(ContainerError) -> [UInt64] {
        let relevant = Set(capabilities).intersection(SeccompProfile.allowedWith.keys)
        if let program = made.withLock({ $0[relevant] }) { return program }
        let program = try Self.compile(relevant)
        made.withLock { $0[relevant] = program }
        return program
    }

    private static let allow: UInt32 = 0x7fff_0000
    private static func refuse(_ error: Int32) -> UInt32 { 0x0005_0000 | UInt32(error) }
    /// CLONE_NEW* for mount, cgroup, uts, ipc, user, pid and network.
    private static let namespaceFlags: UInt64 = 0x7e02_0000

    private static func compile(_ capabilities: Set<String>) throws(ContainerError) -> [UInt64] {
        guard let filter = seccomp_init(refuse(ENOSYS)) else {
            throw ContainerError(.kernelRefused, "cannot compile the seccomp profile: libseccomp gave no filter")
        }
        defer { seccomp_release(filter) }
        // Programs of the machine's other calling conventions run too, and are filtered alike.
        if seccomp_arch_native() == UInt32(SCMP_ARCH_X86_64_TOKEN) {
            for architecture in [SCMP_ARCH_X86_TOKEN, SCMP_ARCH_X32_TOKEN] { _ = seccomp_arch_add(filter, UInt32(architecture)) }
        }
        var allowed = Set(SeccompProfile.allowed)
        for capability in capabilities { allowed.formUnion(SeccompProfile.allowedWith[capability] ?? []) }
        for name in allowed.sorted() { try add(filter, name, allow) }
        for name in SeccompProfile.refused where !allowed.contains(name) { try add(filter, name, refuse(EPERM)) }
        if !allowed.contains("clone") {
            try add(filter, "clone", allow, [scmp_arg_cmp(arg: 0, op: SCMP_CMP_MASKED_EQ, datum_a: namespaceFlags, datum_b: 0)])
            // Its flags lie in memory, where no filter looks: libraries fall back to clone.
            try add(filter, "clone3", refuse(ENOSYS))
        }
        for personality: UInt64 in [0, 0x8, 0x20000, 0x20008, 0xffff_ffff] {
            try add(filter, "personality", allow, [scmp_arg_cmp(arg: 0, op: SCMP_CMP_EQ, datum_a: personality, datum_b: 0)])
        }
        // Not to the hypervisor (AF_VSOCK).
        try add(filter, "socket", allow, [scmp_arg_cmp(arg: 0, op: SCMP_CMP_NE, datum_a: 40, datum_b: 0)])
        _ = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2)
        return try export(filter)
    }

    private static func add(
        _ filter: scmp_filter_ctx, _ name: String, _ action: UInt32, _ conditions: [scmp_arg_cmp] = []
    ) throws(ContainerError) {
        let number = seccomp_syscall_resolve_name(name)
        // Unknown to this libseccomp: answered as unknown.
        guard number != __NR_SCMP_ERROR_VALUE, action != refuse(ENOSYS) || number >= 0 else { return }
        let error = seccomp_rule_add_array(filter, action, number, UInt32(conditions.count), conditions)
        // The default action needs no rule.
        guard error == 0 || error == -EACCES || error == -EDOM else {
            throw ContainerError(.kernelRefused, "cannot compile the seccomp rule for \(name)", cause: systemText(-error))
        }
    }

    private static func export(_ filter: scmp_filter_ctx) throws(ContainerError) -> [UInt64] {
        let file = try Descriptor(sk_memory_file(nil, 0), "keep the seccomp program")
        let error = seccomp_export_bpf(filter, file.number)
        guard error == 0 else {
            throw ContainerError(.kernelRefused, "cannot compile the seccomp profile", cause: systemText(-error))
        }
        let size = Int(lseek(file.number, 0, SEEK_END))
        var program = [UInt64](repeating: 0, count: size / 8)
        let got = program.withUnsafeMutableBytes { pread(file.number, $0.baseAddress, $0.count, 0) }
        guard got == size, size % 8 == 0 else {
            throw ContainerError(.kernelRefused, "cannot read the seccomp program back")
        }
        return program
    }
}
