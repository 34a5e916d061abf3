import ContainerCore
import Glibc
import ImageStore
import LinuxShims
import SidekickModel

/// What a service's volumes are to its containers.
enum VolumePlan {
    /// The mounts, those that others lie in first. Makes named volumes that are not there; blocks on the disk.
    /// - Parameters:
    ///   - kept: directories of the host that no container may see, since whoever writes there commands the host's sidekick.
    static func mounts(
        _ assignment: Assignment, image: UnpackedImage, user: ContainerUser, in volumes: ServiceVolumes, keeping kept: [String]
    ) throws(AgentError) -> [ContainerMount] {
        var mounts: [ContainerMount] = []
        for volume in (assignment.spec.volumes ?? []).sorted(by: { depth($0.path) < depth($1.path) }) {
            if let name = volume.name {
                let source = try volumes.make(assignment.service, name) {
                    owner(of: volume.path, in: image.layers)
                        ?? ServiceVolumes.Owner(uid: user.uid, gid: user.gid)
                }
                mounts.append(
                    ContainerMount(
                        kind: .bind, source: source, target: volume.path, readOnly: volume.readOnly, refusesLinks: nil))
            } else if let host = volume.host {
                try check(host, against: kept)
                mounts.append(
                    ContainerMount(kind: .bind, source: host, target: volume.path, readOnly: volume.readOnly, refusesLinks: true))
            } else {
                mounts.append(
                    ContainerMount(kind: .tmpfs, source: "", target: volume.path, readOnly: false, size: volume.tmpfs?.bytes))
            }
        }
        return mounts
    }

    private static func depth(_ path: String) -> Int { path.utf8.count { $0 == UInt8(ascii: "/") } }

    /// The path itself is enough: no symbolic link on it is followed when it is mounted.
    private static func check(_ host: String, against kept: [String]) throws(AgentError) {
        guard let inner = kept.first(where: { isWithin(host, $0) || isWithin($0, host) }) else {
            var about = stat()
            guard lstat(host, &about) == 0 else {
                throw AgentError(
                    .invalidConfiguration, "the volume of host path \(host) cannot be mounted: make it on this host first",
                    cause: String(cString: strerror(errno)))
            }
            return
        }
        throw AgentError(
            .invalidConfiguration, "the volume of host path \(host) cannot be mounted: \(inner) is the sidekick's own")
    }

    private static func isWithin(_ path: String, _ directory: String) -> Bool {
        path == directory || path.hasPrefix(directory == "/" ? "/" : directory + "/")
    }

    /// Of the directory that the image has there, as Docker does; nil when it has none.
    private static func owner(of path: String, in layers: [String]) -> ServiceVolumes.Owner? {
        for layer in layers {
            let root = open(layer, Int32(SK_O_PATH) | O_DIRECTORY | O_CLOEXEC)
            guard root >= 0 else { continue }
            defer { close(root) }
            var directory = root
            defer { if directory != root { close(directory) } }
            var isMissing = false
            for part in path.split(separator: "/") {
                let next = openat(directory, String(part), Int32(SK_O_PATH) | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
                isMissing = next < 0 && errno == ENOENT
                if directory != root { close(directory) }
                directory = next < 0 ? root : next
                if next < 0 { break }
            }
            if directory == root {
                if isMissing { continue }
                // A whiteout, a link or a file: whatever lies below is hidden.
                return nil
            }
            var about = stat()
            guard fstat(directory, &about) == 0 else { return nil }
            return ServiceVolumes.Owner(uid: about.st_uid, gid: about.st_gid, mode: about.st_mode & 0o7777)
        }
        return nil
    }
}
