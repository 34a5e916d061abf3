import ArgumentParser
import ContainerCore
import FoundationEssentials
import Glibc

/// What the container core of a host is made with.
struct EngineOptions: ParsableArguments {
    static let defaultSubnet = "10.88.0.0/16"

    @Option(
        help: ArgumentHelp("Names this instance's bridge, cgroups and nftables table; 1-8 of a-z and 0-9.", valueName: "name"))
    var name = "main"
    @Option(help: ArgumentHelp("Subnet of the containers' bridge.", valueName: "cidr")) var subnet = Self.defaultSubnet
    @Option(help: ArgumentHelp("Largest packet of the bridge; that of the host's uplink when not given.", valueName: "bytes"))
    var mtu: UInt32?
    @Option(help: ArgumentHelp("The sidekick-init executable; beside this one when not given.", valueName: "path")) var initPath:
        String?

    var arguments: [String] {
        ["--name", name, "--subnet", subnet] + (mtu.map { ["--mtu", "\($0)"] } ?? [])
            + (initPath.map { ["--init-path", $0] } ?? [])
    }

    /// - Throws: `CommandFailure.refused` when there is no sidekick-init.
    func configuration(data: String, run: String) throws -> EngineConfiguration {
        var configuration = EngineConfiguration(
            name: name, stateDirectory: "\(data)/containers", runDirectory: "\(run)/containers",
            initPath: try Self.initPath(initPath), subnet: subnet)
        configuration.mtu = mtu
        return configuration
    }

    /// - Throws: `CommandFailure.refused` when there is no sidekick-init.
    static func initPath(_ given: String?) throws -> String {
        let own = try OwnExecutable.path()
        let path =
            given ?? own.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
            + "/sidekick-init"
        guard access(path, X_OK) == 0 else {
            throw CommandFailure(.refused, "\(path): \(String(cString: strerror(errno))); name it with --init-path")
        }
        return path
    }

    /// Removes every container of this instance and what the kernel holds for it.
    func removeEverything(_ layout: StandaloneLayout) async throws {
        let engine = try ContainerEngine(configuration(data: "\(layout.data)/agent", run: layout.run))
        for container in try await engine.recover() { try await engine.remove(container.id) }
        try await engine.destroy()
    }
}

enum OwnExecutable {
    /// - Throws: `CommandFailure.failed` when /proc is not there.
    static func path() throws -> String {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = readlink("/proc/self/exe", &buffer, buffer.count)
        guard count > 0 else {
            throw CommandFailure(.failed, "finding this program's own path: /proc/self/exe: \(String(cString: strerror(errno)))")
        }
        return String(decoding: buffer[..<count], as: UTF8.self)
    }
}
