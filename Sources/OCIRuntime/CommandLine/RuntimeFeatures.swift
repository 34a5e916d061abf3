import ContainerCore

/// The specification's features document (features.md): what this runtime knows.
struct RuntimeFeatures: Encodable {
    static let newestVersion = "1.2.0"

    var ociVersionMin = "1.0.0"
    var ociVersionMax = Self.newestVersion
    var hooks = ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"]
    var mountOptions = [
        "atime", "async", "bind", "copy-symlink", "defaults", "dev", "diratime", "dirsync", "exec", "idmap", "iversion",
        "lazytime",
        "loud", "mand", "noatime", "nodev", "nodiratime", "noexec", "noiversion", "nolazytime", "nomand", "norelatime",
        "nostrictatime", "nosuid", "nosymfollow", "private", "ratime", "rbind", "rdev", "rdiratime", "relatime", "remount",
        "rexec",
        "ridmap", "rnoatime", "rnodev", "rnodiratime", "rnoexec", "rnosuid", "rnosymfollow", "ro", "rprivate", "rrelatime", "rro",
        "rrw", "rshared", "rslave", "rstrictatime", "rsuid", "rsymfollow", "runbindable", "rw", "shared", "silent", "slave",
        "src-nofollow", "strictatime", "suid", "symfollow", "sync", "tmpcopyup", "unbindable",
    ]
    var linux = Linux()
    var annotations = ["io.github.seccomp.libseccomp.version": "2.5"]
    var potentiallyUnsafeConfigAnnotations: [String] = []

    struct Switch: Encodable {
        var enabled: Bool
    }

    struct Cgroup: Encodable {
        var v1 = true
        var v2 = true
        var systemd = false
        var systemdUser = false
        var rdma = true
    }

    struct Seccomp: Encodable {
        var enabled = true
        var actions = [
            "SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO", "SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL_THREAD", "SCMP_ACT_LOG",
            "SCMP_ACT_TRACE", "SCMP_ACT_TRAP",
        ]
        var operators = [
            "SCMP_CMP_NE", "SCMP_CMP_LT", "SCMP_CMP_LE", "SCMP_CMP_EQ", "SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_MASKED_EQ",
        ]
        var archs = [
            "SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM", "SCMP_ARCH_MIPS", "SCMP_ARCH_MIPS64", "SCMP_ARCH_MIPS64N32", "SCMP_ARCH_MIPSEL",
            "SCMP_ARCH_MIPSEL64", "SCMP_ARCH_MIPSEL64N32", "SCMP_ARCH_PPC", "SCMP_ARCH_PPC64", "SCMP_ARCH_PPC64LE",
            "SCMP_ARCH_RISCV64", "SCMP_ARCH_S390", "SCMP_ARCH_S390X", "SCMP_ARCH_X32", "SCMP_ARCH_X86", "SCMP_ARCH_X86_64",
        ]
        var knownFlags = ["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW", "SECCOMP_FILTER_FLAG_TSYNC"]
        var supportedFlags = ["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW", "SECCOMP_FILTER_FLAG_TSYNC"]
    }

    struct MountExtensions: Encodable {
        var idmap = Switch(enabled: true)
    }

    struct Linux: Encodable {
        var namespaces = ["cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"]
        var capabilities = Capability.names
        var cgroup = Cgroup()
        var seccomp = Seccomp()
        var apparmor = Switch(enabled: true)
        var selinux = Switch(enabled: true)
        var intelRdt = Switch(enabled: false)
        var mountExtensions = MountExtensions()
    }
}
