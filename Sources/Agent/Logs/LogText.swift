/// Turns CRI log lines (`<timestamp> <stream> <P|F> <text>`) back into what the container wrote: `F` ends a line, `P` is
/// continued by the next of its stream.
struct LogText {
    /// Whether each line begins with the time at which its first piece was written.
    var stamped = false
    /// Streams whose last piece did not end its line.
    private var unfinished: Set<ArraySlice<UInt8>> = []
    /// A line whose end has not been read.
    private var rest: [UInt8] = []

    mutating func take(_ bytes: [UInt8]) -> [UInt8] {
        rest += bytes
        var text: [UInt8] = []
        text.reserveCapacity(bytes.count)
        var start = rest.startIndex
        while let end = rest[start...].firstIndex(of: UInt8(ascii: "\n")) {
            append(rest[start..<end], to: &text)
            start = end + 1
        }
        rest.removeSubrange(..<start)
        return text
    }

    private mutating func append(_ line: ArraySlice<UInt8>, to text: inout [UInt8]) {
        let parts = line.split(separator: UInt8(ascii: " "), maxSplits: 3, omittingEmptySubsequences: false)
        guard parts.count == 4 else { return }
        let stream = ArraySlice(Array(parts[1]))
        if stamped, !unfinished.contains(stream) { text += parts[0] + [UInt8(ascii: " ")] }
        text += parts[3]
        if parts[2].first == UInt8(ascii: "P") {
            unfinished.insert(stream)
        } else {
            unfinished.remove(stream)
            text.append(UInt8(ascii: "\n"))
        }
    }
}
