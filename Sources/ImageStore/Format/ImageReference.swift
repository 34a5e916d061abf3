/// What a user calls an image: `NAME[:TAG][@sha256:…]` or `sha256:…`, after the grammar of distribution/reference.
///
/// Names of Docker Hub are kept in the short form (`docker.io/library/web` is `web`), and no registry is ever put in front of a name: an
/// image called `web` here is just `web`.
package struct ImageReference: Hashable, Sendable, CustomStringConvertible {
    /// Registry and path, such as `web` or `registry.example.com:5000/team/web`; nil when only a digest was given.
    package let name: String?
    /// Nil when a digest was given without a tag; `latest` when neither was.
    package let tag: String?
    /// `sha256:…`.
    package let digest: String?

    /// - Throws: `invalidReference`, naming what is wrong with `text`.
    package init(_ text: String) throws(ImageError) {
        func invalid(_ why: String) -> ImageError {
            ImageError(.invalidReference, "‘\(text)’ is no image reference: \(why); write NAME[:TAG], NAME@sha256:… or sha256:…")
        }
        if let digest = Digest(text) {
            (name, tag, self.digest) = (nil, nil, digest.description)
            return
        }
        if text.hasPrefix("sha256:") { throw invalid("a sha256 digest has 64 hexadecimal digits") }
        var rest = text[...]
        if let at = rest.lastIndex(of: "@") {
            guard let digest = Digest(rest[rest.index(after: at)...]) else {
                throw invalid("what follows ‘@’ is no sha256 digest")
            }
            self.digest = digest.description
            rest = rest[..<at]
        } else {
            digest = nil
        }
        let lastSlash = rest.lastIndex(of: "/") ?? rest.startIndex
        if let colon = rest[lastSlash...].lastIndex(of: ":") {
            let tag = rest[rest.index(after: colon)...]
            guard Self.isTag(tag) else { throw invalid("a tag has 1 to 128 of A-Z a-z 0-9 _ . - and begins with none of . -") }
            self.tag = String(tag)
            rest = rest[..<colon]
        } else {
            tag = digest == nil ? "latest" : nil
        }
        guard rest.utf8.count <= 255 else { throw invalid("its name is longer than 255") }
        var parts = rest.split(separator: "/", omittingEmptySubsequences: false)
        if parts.count > 1, ["docker.io", "index.docker.io"].contains(parts[0]) {
            parts.removeFirst()
            if parts.count == 2, parts[0] == "library" { parts.removeFirst() }
        }
        for (index, part) in parts.enumerated() {
            let isRegistry = index == 0 && parts.count > 1 && Self.isRegistry(part)
            guard isRegistry || Self.isPathComponent(part) else {
                throw invalid("‘\(part)’ must be lower-case letters and digits, separated by one of . _ - between them")
            }
        }
        name = parts.joined(separator: "/")
    }

    /// The normal form: equal references have equal text.
    package var description: String {
        guard let name else { return digest ?? "" }
        return name + (tag.map { ":" + $0 } ?? "") + (digest.map { "@" + $0 } ?? "")
    }

    private static func isTag(_ text: Substring) -> Bool {
        guard (1...128).contains(text.utf8.count), let first = text.utf8.first else { return false }
        return isWord(first) && text.utf8.allSatisfy { isWord($0) || $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "-") }
    }

    private static func isWord(_ byte: UInt8) -> Bool {
        isLower(byte) || (65...90).contains(byte) || byte == UInt8(ascii: "_")
    }

    private static func isLower(_ byte: UInt8) -> Bool { (97...122).contains(byte) || (48...57).contains(byte) }

    /// Whether the first part names a registry: it holds a dot or a port, or is `localhost`.
    private static func isRegistry(_ text: Substring) -> Bool {
        let halves = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        if halves.count == 2, halves[1].isEmpty || !halves[1].utf8.allSatisfy({ (48...57).contains($0) }) { return false }
        let labels = halves[0].split(separator: ".", omittingEmptySubsequences: false)
        guard halves.count == 2 || labels.count > 1 || text == "localhost" else { return false }
        return labels.allSatisfy { label in
            guard let first = label.utf8.first, let last = label.utf8.last else { return false }
            func isAlphanumeric(_ byte: UInt8) -> Bool { isLower(byte) || (65...90).contains(byte) }
            return isAlphanumeric(first) && isAlphanumeric(last)
                && label.utf8.allSatisfy { isAlphanumeric($0) || $0 == UInt8(ascii: "-") }
        }
    }

    /// Runs of lower-case letters and digits, with `.`, `_`, `__` or dashes between them.
    private static func isPathComponent(_ text: Substring) -> Bool {
        var separator: [UInt8] = []
        guard let first = text.utf8.first, let last = text.utf8.last, isLower(first), isLower(last) else { return false }
        for byte in text.utf8 {
            if isLower(byte) {
                let allowed = separator.isEmpty || separator == [0x2e] || separator == [0x5f] || separator == [0x5f, 0x5f]
                guard allowed || separator.allSatisfy({ $0 == 0x2d }) else { return false }
                separator = []
            } else if byte == 0x2e || byte == 0x5f || byte == 0x2d {
                separator.append(byte)
            } else {
                return false
            }
        }
        return true
    }
}
