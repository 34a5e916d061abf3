import ContainerCore
import LinuxShims

/// Writes a process of a container into a launch plan: who it is, what it may, what it runs.
struct ProcessPlan {
    let process: ProcessSpecification
    let seccomp: SeccompFilter
    /// The user's home directory inside, for programs that find no HOME.
    let home: String

    func write(_ writer: inout PlanWriter, _ bundle: inout sk_bundle) throws {
        guard let arguments = process.args, let program = arguments.first else {
            throw invalid("process.args is empty: there is no program to run")
        }
        guard process.cwd.hasPrefix("/") else { throw invalid("process.cwd: \(process.cwd) must be an absolute path") }
        let user = process.user
        writer.head.uid = user?.uid ?? 0
        writer.head.gid = user?.gid ?? 0
        writer.head.umask = user?.umask ?? 0o022
        writer.head.groups = writer.records(user?.additionalGids ?? [])
        try writeCapabilities(&writer)
        writer.head.flags = 0
        if process.noNewPrivileges == true { writer.head.flags |= UInt32(SK_PLAN_NO_NEW_PRIVS) }
        writer.head.directory = writer.string(process.cwd)
        var environment = process.env ?? []
        if !environment.contains(where: { $0.hasPrefix("HOME=") && $0 != "HOME=" }) {
            environment.removeAll { $0 == "HOME=" }
            environment.append("HOME=\(home)")
        }
        writer.head.programs = writer.strings(Self.candidates(program, environment))
        writer.head.arguments = writer.strings(arguments)
        writer.head.environment = writer.strings(environment)
        writer.head.limits = writer.records(try limits())
        writer.head.seccomp = writer.records(seccomp.program)
        writer.head.hostname = writer.none
        writer.head.upper = writer.none
        writer.head.work = writer.none
        bundle.seccomp_flags = seccomp.flags
        let label = try SecurityModule.label(process)
        bundle.exec_label = writer.string(label?.text ?? "")
        bundle.exec_label_file = writer.string(label?.file ?? "")
        if process.terminal == true {
            bundle.flags |= UInt32(SK_BUNDLE_TERMINAL)
            bundle.terminal_rows = process.consoleSize?.height ?? 0
            bundle.terminal_columns = process.consoleSize?.width ?? 0
        }
        try writeScheduling(&bundle)
    }

    /// Where execvp(3) would look.
    private static func candidates(_ name: String, _ environment: [String]) -> [String] {
        if name.contains("/") { return [name] }
        let path =
            environment.last { $0.hasPrefix("PATH=") }.map { $0.dropFirst(5) }
            ?? "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        let found = path.split(separator: ":").map { "\($0)/\(name)" }
        return found.isEmpty ? ["./\(name)"] : found
    }

    private func writeCapabilities(_ writer: inout PlanWriter) throws {
        let given = process.capabilities
        func mask(_ set: String, _ names: [String]?) throws -> UInt64 {
            do { return try Capability.mask((names ?? []).map { $0.uppercased() }) } catch {
                throw invalid("process.capabilities.\(set): \(error)")
            }
        }
        writer.head.bounding = try mask("bounding", given?.bounding)
        writer.head.permitted = try mask("permitted", given?.permitted)
        writer.head.effective = try mask("effective", given?.effective)
        writer.head.inheritable = try mask("inheritable", given?.inheritable)
        writer.head.ambient = try mask("ambient", given?.ambient)
        guard writer.head.effective & ~writer.head.permitted == 0 else {
            throw invalid("process.capabilities: effective holds what permitted does not")
        }
        // The kernel's condition (capabilities(7)).
        writer.head.ambient &= writer.head.permitted & writer.head.inheritable
    }

    private func limits() throws -> [sk_limit] {
        var records: [sk_limit] = []
        for limit in process.rlimits ?? [] {
            guard limit.type.hasPrefix("RLIMIT_"), let number = ResourceName.numbers[limit.type.dropFirst(7).lowercased()] else {
                throw invalid("process.rlimits: \(limit.type) does not exist; names are such as RLIMIT_NOFILE")
            }
            guard !records.contains(where: { $0.resource == number }) else {
                throw invalid("process.rlimits: \(limit.type) is named twice")
            }
            guard limit.soft <= limit.hard else {
                throw invalid("process.rlimits: \(limit.type): soft \(limit.soft) is above hard \(limit.hard)")
            }
            records.append(sk_limit(resource: number, unused: 0, soft: limit.soft, hard: limit.hard))
        }
        return records
    }

    private static let policies: [String: UInt32] = [
        "SCHED_OTHER": 0, "SCHED_FIFO": 1, "SCHED_RR": 2, "SCHED_BATCH": 3, "SCHED_ISO": 4, "SCHED_IDLE": 5, "SCHED_DEADLINE": 6,
    ]
    private static let schedulerFlags: [String: UInt64] = [
        "SCHED_FLAG_RESET_ON_FORK": 0x1, "SCHED_FLAG_RECLAIM": 0x2, "SCHED_FLAG_DL_OVERRUN": 0x4, "SCHED_FLAG_KEEP_POLICY": 0x8,
        "SCHED_FLAG_KEEP_PARAMS": 0x10, "SCHED_FLAG_UTIL_CLAMP_MIN": 0x20, "SCHED_FLAG_UTIL_CLAMP_MAX": 0x40,
    ]
    private static let classes = ["IOPRIO_CLASS_RT": 1, "IOPRIO_CLASS_BE": 2, "IOPRIO_CLASS_IDLE": 3]

    private func writeScheduling(_ bundle: inout sk_bundle) throws {
        if let scheduler = process.scheduler {
            guard let policy = Self.policies[scheduler.policy] else {
                throw invalid("process.scheduler.policy: \(scheduler.policy) does not exist")
            }
            bundle.flags |= UInt32(SK_BUNDLE_SCHEDULER)
            bundle.scheduler_policy = policy
            for flag in scheduler.flags ?? [] {
                guard let number = Self.schedulerFlags[flag] else {
                    throw invalid("process.scheduler.flags: \(flag) does not exist")
                }
                bundle.scheduler_flags |= number
            }
            bundle.scheduler_nice = scheduler.nice ?? 0
            bundle.scheduler_priority = UInt32(clamping: scheduler.priority ?? 0)
            bundle.scheduler_runtime = scheduler.runtime ?? 0
            bundle.scheduler_deadline = scheduler.deadline ?? 0
            bundle.scheduler_period = scheduler.period ?? 0
        }
        if let priority = process.ioPriority {
            guard let number = Self.classes[priority.class] else {
                throw invalid("process.ioPriority.class: \(priority.class) does not exist")
            }
            bundle.flags |= UInt32(SK_BUNDLE_IO_PRIORITY)
            bundle.io_priority = Int32(number << 13) | (priority.priority ?? 0)
        }
    }
}
