import ContainerCore
import FoundationEssentials
import Glibc

/// A bundle as it was found: its directory and its configuration, read once and checked as far as that goes without the kernel.
package struct Bundle: Sendable {
    /// Absolute.
    package let directory: String
    package let configuration: BundleConfiguration
    /// The configuration's own bytes, kept with the container since the file may change.
    let text: Data

    var linux: LinuxSpecification { configuration.linux ?? LinuxSpecification() }

    /// - Parameter file: the configuration's path, absolute or below the bundle.
    package init(directory: String, file: String = "config.json") throws {
        let absolute = try absolutePath(directory)
        let path = file.hasPrefix("/") ? file : "\(absolute)/\(file)"
        guard let text = FileManager.default.contents(atPath: path) else {
            throw ContainerError(.notFound, "cannot read \(path)", cause: systemText(access(path, R_OK) == 0 ? EISDIR : errno))
        }
        try self.init(directory: absolute, text: text, named: path)
    }

    init(directory: String, text: Data, named name: String) throws {
        self.directory = directory
        self.text = text
        configuration = try decode(BundleConfiguration.self, from: text, named: name)
        try check()
    }

    /// A path on the host, which may be given relative to the bundle.
    func hostPath(_ path: String) -> String { path.hasPrefix("/") ? path : "\(directory)/\(path)" }

    var rootPath: String { configuration.root.map { hostPath($0.path) } ?? "" }

    private func check() throws {
        let version = configuration.ociVersion.split(separator: ".")
        guard version.count >= 3, version[0] == "1", Int(version[1]) != nil else {
            throw invalid("ociVersion \(configuration.ociVersion): only version 1 of the specification is known")
        }
        guard let root = configuration.root, !root.path.isEmpty else { throw invalid("root.path is missing") }
        guard root.path.utf8.count < 4096 else { throw invalid("root.path is longer than 4095 bytes") }
        let linux = self.linux
        if linux.intelRdt != nil { throw invalid("linux.intelRdt: not supported; remove it") }
        if linux.memoryPolicy != nil { throw invalid("linux.memoryPolicy: not supported; remove it") }
        if linux.netDevices?.isEmpty == false {
            throw invalid("linux.netDevices: not supported; move devices by a createRuntime hook")
        }
        // Labels keep apart what SELinux keeps apart, which here is nothing.
        if linux.mountLabel?.isEmpty == false, !SecurityModule.hasSELinux {
            RuntimeLog.warn("linux.mountLabel: this kernel runs without SELinux, so that mounts have no labels")
        }
        for path in linux.maskedPaths ?? [] where !path.hasPrefix("/") {
            throw invalid("linux.maskedPaths: \(path) must be absolute")
        }
        for path in linux.readonlyPaths ?? [] where !path.hasPrefix("/") {
            throw invalid("linux.readonlyPaths: \(path) must be absolute")
        }
        _ = try Self.propagation(linux.rootfsPropagation)
    }

    /// The kernel's `MS_*` of `rootfsPropagation`, below included where an `r` says so; 0 for what is private anyway.
    static func propagation(_ name: String?) throws -> UInt32 {
        let below: UInt32 = 1 << 14
        switch name ?? "" {
        case "", "private", "rprivate": return 0
        case "unbindable": return 1 << 17
        case "runbindable": return 1 << 17 | below
        case "slave": return 1 << 19
        case "rslave": return 1 << 19 | below
        case "shared": return 1 << 20
        case "rshared": return 1 << 20 | below
        case let other: throw invalid("linux.rootfsPropagation: \(other) must be one of private, slave, shared and unbindable")
        }
    }
}

func invalid(_ message: String) -> ContainerError { ContainerError(.invalidConfiguration, message) }

func absolutePath(_ path: String) throws -> String {
    guard let resolved = realpath(path, nil) else {
        throw ContainerError(.notFound, "cannot open \(path)", cause: systemText(errno))
    }
    defer { free(resolved) }
    return String(cString: resolved)
}

/// Reads JSON; a mistake is answered with its place.
func decode<Value: Decodable>(_ type: Value.Type, from text: Data, named name: String) throws -> Value {
    func place(_ path: [any CodingKey]) -> String {
        path.reduce("") { text, key in
            key.intValue.map { "\(text)[\($0)]" } ?? (text.isEmpty ? key.stringValue : "\(text).\(key.stringValue)")
        }
    }
    do {
        return try JSONDecoder().decode(type, from: text)
    } catch DecodingError.keyNotFound(let key, let context) {
        throw invalid("\(name): \(place(context.codingPath + [key])) is missing")
    } catch DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context),
        DecodingError.dataCorrupted(let context)
    {
        throw invalid("\(name): \(place(context.codingPath)): \(context.debugDescription)")
    }
}
