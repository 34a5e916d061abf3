import ContainerCore
import Glibc

/// Labels of the kernel's security modules, which must not be asked for in vain.
enum SecurityModule {
    static var hasSELinux: Bool { access("/sys/fs/selinux/enforce", F_OK) == 0 }

    static func require(_ name: String, for what: String) throws {
        let isThere =
            switch name {
            case "apparmor": readSmallFile("/sys/module/apparmor/parameters/enabled")?.hasPrefix("Y") == true
            default: hasSELinux
            }
        guard isThere else { throw invalid("\(what): this kernel runs without \(name); remove it") }
    }

    /// What a process's own label is written into for its next exec, and the text.
    static func label(_ process: ProcessSpecification) throws -> (file: String, text: String)? {
        if let profile = process.apparmorProfile, !profile.isEmpty, profile != "unconfined" {
            try require("apparmor", for: "process.apparmorProfile \(profile)")
            let own = "/proc/thread-self/attr/apparmor/exec"
            return (access(own, F_OK) == 0 ? own : "/proc/thread-self/attr/exec", "exec \(profile)")
        }
        if let label = process.selinuxLabel, !label.isEmpty {
            try require("selinux", for: "process.selinuxLabel \(label)")
            return ("/proc/thread-self/attr/exec", label)
        }
        return nil
    }
}
