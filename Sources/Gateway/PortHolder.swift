import EventLoop
import Glibc

/// Finds out which process listens on a port, for a message that helps.
enum PortHolder {
    /// `process 123 (nginx)`, nil when that cannot be known.
    static func find(_ address: SocketAddress) -> String? {
        guard let port = address.port else { return nil }
        let inodes = ["/proc/net/tcp", "/proc/net/tcp6"].flatMap { listening(on: port, in: read($0)) }
        guard !inodes.isEmpty else { return nil }
        let links = Set(inodes.map { "socket:[\($0)]" })
        for process in entries("/proc").compactMap(Int.init).sorted() {
            for descriptor in entries("/proc/\(process)/fd") where links.contains(link("/proc/\(process)/fd/\(descriptor)")) {
                let name = read("/proc/\(process)/comm").split(separator: "\n").first ?? "?"
                return "process \(process) (\(name))"
            }
        }
        return nil
    }

    /// Inodes of sockets in state LISTEN (0A) on the port, from a table of the kernel.
    private static func listening(on port: UInt16, in table: String) -> [Substring] {
        let hexadecimal = String(port, radix: 16, uppercase: true)
        let suffix = ":" + String(repeating: "0", count: 4 - hexadecimal.count) + hexadecimal
        return table.split(separator: "\n").compactMap { line in
            let columns = line.split(separator: " ")
            guard columns.count > 9, columns[3] == "0A", columns[1].hasSuffix(suffix) else { return nil }
            return columns[9]
        }
    }

    private static func read(_ path: String) -> String {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return "" }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = Glibc.read(descriptor, &buffer, buffer.count)
            guard count > 0 else { break }
            bytes += buffer[..<count]
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func link(_ path: String) -> String {
        var buffer = [UInt8](repeating: 0, count: 256)
        let count = buffer.withUnsafeMutableBytes {
            $0.withMemoryRebound(to: CChar.self) { text in text.baseAddress.map { readlink(path, $0, text.count) } ?? 0 }
        }
        return String(decoding: buffer.prefix(max(0, count)), as: UTF8.self)
    }

    private static func entries(_ path: String) -> [String] {
        guard let directory = opendir(path) else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            names.append(
                withUnsafePointer(to: &entry.pointee.d_name) {
                    $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
                })
        }
        return names
    }
}
