import ContainerCore
import FoundationEssentials
import Glibc
import LinuxShims
import SidekickModel

/// The named volumes of services on this host: `ROOT/SERVICE/NAME`, one directory each. They hold what services want kept, so nothing here
/// is removed but by `remove`.
///
/// What containers write in them has on the host the ids it has inside (the mounts are mapped), root's among them, so nobody but root may
/// pass `ROOT`.
package struct ServiceVolumes: Sendable {
    package let root: String

    /// - Parameter stateDirectory: the agent's own.
    package init(stateDirectory: String) { root = "\(stateDirectory)/volumes" }

    package func path(_ service: String, _ name: String) -> String { "\(root)/\(service)/\(name)" }

    /// Whose the directory is when it is made: ids as inside the container.
    package struct Owner: Hashable, Sendable {
        package var uid: UInt32
        package var gid: UInt32
        package var mode: UInt32

        package init(uid: UInt32, gid: UInt32, mode: UInt32 = 0o755) {
            self.uid = uid
            self.gid = gid
            self.mode = mode
        }
    }

    /// The volume's directory, made when it is not there. Blocks on the disk.
    /// - Parameter owner: asked only when it is made.
    package func make(_ service: String, _ name: String, owner: () -> Owner) throws(AgentError) -> String {
        let path = path(service, name)
        for directory in [root, "\(root)/\(service)"] where mkdir(directory, 0o700) != 0 && errno != EEXIST {
            throw failure("failed to make \(directory) for volume \(name) of service \(service)")
        }
        chmod(root, 0o700)
        if access(path, F_OK) == 0 { return path }
        // Under another name first: a volume that is there has its owner, whenever this process ends.
        let temporary = "\(root)/\(service)/.\(name).\(String(UInt64.random(in: 0...UInt64.max), radix: 36))"
        let owner = owner()
        guard mkdir(temporary, 0o700) == 0, chown(temporary, owner.uid, owner.gid) == 0, chmod(temporary, owner.mode) == 0 else {
            throw failure("failed to make volume \(name) of service \(service) at \(path)")
        }
        if sk_rename_new(temporary, path) != 0 {
            let error = errno
            rmdir(temporary)
            // Another replica of the service was first.
            guard error == EEXIST else {
                errno = error
                throw failure("failed to make volume \(name) of service \(service) at \(path)")
            }
        }
        return path
    }

    package struct Volume: Hashable, Sendable {
        package var service: String
        package var name: String

        package init(service: String, name: String) {
            self.service = service
            self.name = name
        }
    }

    /// Every volume on this host, of services that are gone too.
    package func all() -> [Volume] {
        names(in: root).flatMap { service in
            names(in: "\(root)/\(service)").map { Volume(service: service, name: $0) }
        }
    }

    /// Removes volumes and all they hold; none there is no error. Nothing may use them any more.
    /// - Parameter name: nil for every volume of the service.
    package func remove(_ service: String, _ name: String? = nil) throws(AgentError) {
        let path = name.map { self.path(service, $0) } ?? "\(root)/\(service)"
        do {
            if FileManager.default.fileExists(atPath: path) { try FileManager.default.removeItem(atPath: path) }
        } catch {
            throw AgentError(.inputOutput, "failed to remove \(path)", cause: "\(error)")
        }
        if name != nil { rmdir("\(root)/\(service)") }
    }

    private func names(in directory: String) -> [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []).filter { !$0.hasPrefix(".") }.sorted()
    }

    private func failure(_ message: String) -> AgentError {
        AgentError(.inputOutput, message, cause: String(cString: strerror(errno)))
    }
}
