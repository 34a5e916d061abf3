import Glibc
import Testing

/// Runs the tools that tests compare with.
enum Command {
    struct Failed: Error, CustomStringConvertible {
        var description: String
    }

    /// Runs a program found in PATH and fails unless it exits with 0.
    static func run(_ arguments: [String]) throws {
        var arguments = arguments.map { strdup($0) } + [nil]
        defer { arguments.forEach { free($0) } }
        var process = pid_t()
        let code = posix_spawnp(&process, arguments[0]!, nil, nil, &arguments, environ)
        guard code == 0 else {
            throw Failed(description: "\(String(cString: arguments[0]!)): \(String(cString: strerror(code)))")
        }
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0 && errno == EINTR {}
        guard status == 0 else { throw Failed(description: "\(String(cString: arguments[0]!)) ended with status \(status)") }
    }

    static func shell(_ script: String) throws { try run(["sh", "-ec", script]) }
}

/// A directory of one test, gone with it.
final class Scratch: Sendable {
    let path: String

    init() {
        var template = Array("/tmp/sk-images-XXXXXX".utf8CString)
        path = String(cString: mkdtemp(&template))
    }

    deinit { try? Command.run(["rm", "-rf", path]) }

    func callAsFunction(_ name: String) -> String { path + "/" + name }

    @discardableResult
    func write(_ name: String, _ bytes: [UInt8]) throws -> String {
        let target = self(name)
        let parent = target.split(separator: "/").dropLast().joined(separator: "/")
        try Command.run(["mkdir", "-p", "/" + parent])
        let file = try #require(fopen(target, "w"))
        #expect(fwrite(bytes, 1, bytes.count, file) == bytes.count)
        fclose(file)
        return target
    }

    /// Names below `name`, sorted.
    func names(_ name: String) -> [String] {
        guard let directory = opendir(self(name)) else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let text = withUnsafePointer(to: &entry.pointee.d_name) {
                String(cString: UnsafeRawPointer($0).assumingMemoryBound(to: CChar.self))
            }
            if text != "." && text != ".." { names.append(text) }
        }
        return names.sorted()
    }
}

func read(_ path: String) throws -> [UInt8] {
    let file = try #require(fopen(path, "r"), "no file \(path)")
    defer { fclose(file) }
    var all: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while case let count = fread(&buffer, 1, buffer.count, file), count > 0 { all += buffer[..<count] }
    return all
}

func text(_ path: String) throws -> String { String(decoding: try read(path), as: UTF8.self) }

/// lstat.
func status(_ path: String) throws -> stat {
    var found = stat()
    try #require(lstat(path, &found) == 0, "no \(path)")
    return found
}
