/// What texts in a spec may look like.
enum SpecText {
    /// `a-z`, `0-9` and `-`, starting with a letter, not ending with `-`.
    static func isName(_ text: String, limit: Int) -> Bool {
        let bytes = Array(text.utf8)
        guard let first = bytes.first, let last = bytes.last, bytes.count <= limit else { return false }
        return isLetter(first) && last != UInt8(ascii: "-")
            && bytes.allSatisfy { isLetter($0) || isDigit($0) || $0 == UInt8(ascii: "-") }
    }

    /// A DNS name in lower case (RFC 1123: labels of 1 to 63 letters, digits and inner hyphens, 253 in all).
    static func isHostName(_ text: String) -> Bool {
        guard !text.isEmpty, text.utf8.count <= 253 else { return false }
        return text.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { label in
            let bytes = Array(label.utf8)
            guard let first = bytes.first, let last = bytes.last, bytes.count <= 63 else { return false }
            return first != UInt8(ascii: "-") && last != UInt8(ascii: "-")
                && bytes.allSatisfy { isLetter($0) || isDigit($0) || $0 == UInt8(ascii: "-") }
        }
    }

    /// An absolute path of visible ASCII without query or fragment.
    static func isPath(_ text: String) -> Bool {
        isProbePath(text) && !text.utf8.contains(UInt8(ascii: "?"))
    }

    /// An absolute path of visible ASCII, a query allowed.
    static func isProbePath(_ text: String) -> Bool {
        text.utf8.first == UInt8(ascii: "/") && text.utf8.count <= 2048
            && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f && $0 != UInt8(ascii: "#") }
    }

    /// An absolute path of a file system as it is after every `.`, `..` and needless `/` is taken out; no control characters.
    static func isFilePath(_ text: String) -> Bool {
        guard text.utf8.first == UInt8(ascii: "/"), text.utf8.count < 4096, text.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7f })
        else { return false }
        return text == "/"
            || text.dropFirst().split(separator: "/", omittingEmptySubsequences: false).allSatisfy { part in
                !part.isEmpty && part != "." && part != ".." && part.utf8.count <= 255
            }
    }

    private static func isLetter(_ byte: UInt8) -> Bool { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) }
    private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
}

/// Ranges of numbers in a spec.
enum SpecRange {
    static func check<Value: Comparable & CustomStringConvertible>(
        _ path: String, _ value: Value, _ range: ClosedRange<Value>
    ) -> [SpecIssue] {
        if range.contains(value) { return [] }
        return [SpecIssue(path, "\(value) is not within \(range.lowerBound) and \(range.upperBound)")]
    }
}
