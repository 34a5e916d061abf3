/// Writes tar archives member by member, well formed or not, after POSIX.1-2001's ustar and pax.
struct Tar {
    private(set) var bytes: [UInt8] = []

    static func file(_ name: String, _ content: String = "content", mode: Int = 0o644) -> Tar {
        var tar = Tar()
        tar.add(name, content: Array(content.utf8), mode: mode)
        return tar
    }

    /// - Parameters:
    ///   - type: the header's type flag: 0 file, 1 hard link, 2 symbolic link, 3 and 4 devices, 5 directory, 6 fifo.
    ///   - pax: records of an extended header put before it, such as `path` or `SCHILY.xattr.user.a`.
    mutating func add(
        _ name: String, type: Character = "0", content: [UInt8] = [], link: String = "", mode: Int = 0o644, owner: Int = 0,
        group: Int = 0,
        modified: Int = 1_000_000_000, device: (Int, Int) = (0, 0), pax: [(String, [UInt8])] = []
    ) {
        if !pax.isEmpty {
            let records = pax.flatMap { Self.record($0.0, $0.1) }
            header("pax", "x", records.count, "", 0o644, 0, 0, modified, (0, 0))
            body(records)
        }
        header(name, type, content.count, link, mode, owner, group, modified, device)
        body(content)
    }

    mutating func directory(_ name: String, mode: Int = 0o755) { add(name, type: "5", mode: mode) }
    mutating func symlink(_ name: String, to target: String) { add(name, type: "2", link: target, mode: 0o777) }
    mutating func hardlink(_ name: String, to target: String) { add(name, type: "1", link: target) }

    /// The archive with its end.
    var finished: [UInt8] { bytes + [UInt8](repeating: 0, count: 1024) }

    private mutating func header(
        _ name: String, _ type: Character, _ size: Int, _ link: String, _ mode: Int, _ owner: Int, _ group: Int, _ modified: Int,
        _ device: (Int, Int)
    ) {
        var block = [UInt8](repeating: 0, count: 512)
        func put(_ offset: Int, _ width: Int, _ text: some Collection<UInt8>) {
            for (index, byte) in text.prefix(width).enumerated() { block[offset + index] = byte }
        }
        func octal(_ offset: Int, _ width: Int, _ number: Int) {
            let digits = String(number, radix: 8)
            put(offset, width, Array((String(repeating: "0", count: max(0, width - 1 - digits.count)) + digits).utf8))
        }
        put(0, 100, Array(name.utf8))
        octal(100, 8, mode)
        octal(108, 8, owner)
        octal(116, 8, group)
        octal(124, 12, size)
        octal(136, 12, modified)
        block[156] = type.asciiValue ?? 0
        put(157, 100, Array(link.utf8))
        put(257, 8, Array("ustar\u{0}00".utf8))
        octal(329, 8, device.0)
        octal(337, 8, device.1)
        put(148, 8, Array("        ".utf8))
        let sum = block.reduce(0) { $0 + Int($1) }
        octal(148, 7, sum)
        block[155] = 0x20
        bytes += block
    }

    private mutating func body(_ content: [UInt8]) {
        bytes += content
        if content.count % 512 != 0 { bytes += [UInt8](repeating: 0, count: 512 - content.count % 512) }
    }

    private static func record(_ key: String, _ value: [UInt8]) -> [UInt8] {
        let rest = Array(" \(key)=".utf8) + value + [0x0a]
        var length = rest.count
        while "\(length)".utf8.count + rest.count != length { length = "\(length)".utf8.count + rest.count }
        return Array("\(length)".utf8) + rest
    }
}
