/// A load over time: requests per second that hold for a while each.
package struct LoadTrace: Hashable, Sendable {
    package struct Step: Hashable, Sendable {
        /// Seconds from the start of the trace.
        package var at: Double
        package var seconds: Double
        package var requestsPerSecond: Double

        package init(at: Double, seconds: Double, requestsPerSecond: Double) {
            self.at = at
            self.seconds = seconds
            self.requestsPerSecond = requestsPerSecond
        }
    }

    /// Rising, without overlap; between them there is no load.
    package var steps: [Step]

    package init(steps: [Step]) { self.steps = steps }

    /// Seconds from the start to the last step's end.
    package var seconds: Double { steps.last.map { $0.at + $0.seconds } ?? 0 }
    package var requests: Double { steps.reduce(0) { $0 + $1.requestsPerSecond * $1.seconds } }
    package var peak: Double { steps.map(\.requestsPerSecond).max() ?? 0 }
}

/// What is wrong with a trace, placed where the operator has to look.
package struct TraceError: Error, Hashable, Sendable, CustomStringConvertible {
    package var file: String
    /// From 1.
    package var line: Int
    package var message: String

    package var description: String { "\(file):\(line): \(message)" }
}

extension LoadTrace {
    /// Longer than four hundred days or beyond 10 million requests a simulation is not what anybody wants.
    private static let mostSeconds = 400.0 * 86_400
    private static let mostRequests = 2e7

    private enum Form { case rates, counts }

    /// Reads `seconds,requests_per_second` (a rate holds until the next line's time) or the judge's `second,requests` (requests counted in a bin
    /// that starts there; bins not listed are empty, and a bin is as long as the smallest distance between two).
    /// - Throws: `TraceError` with file and line.
    package init(csv text: String, file: String) throws(TraceError) {
        var rows: [(line: Int, time: Double, value: Double)] = []
        var form: Form?
        var number = 0
        for raw in text.split(separator: "\n", omittingEmptySubsequences: false) {
            number += 1
            let line = raw.trimmingBlanks()
            if line.isEmpty || line.hasPrefix("#") { continue }
            if form == nil {
                form = try Self.form(of: line, file: file, line: number)
                continue
            }
            let row = try Self.row(line, file: file, line: number)
            if let last = rows.last, row.time <= last.time {
                throw TraceError(
                    file: file, line: number,
                    message: "time \(row.time.plain) does not come after \(last.time.plain) in line \(last.line)")
            }
            rows.append((number, row.time, row.value))
        }
        guard let form else { throw TraceError(file: file, line: 1, message: "is empty; \(Self.expected)") }
        guard let first = rows.first, let last = rows.last else {
            throw TraceError(file: file, line: number, message: "has no line of data after the header")
        }
        let gaps = zip(rows, rows.dropFirst()).map { $1.time - $0.time }
        let bin = gaps.min() ?? 1
        steps = rows.enumerated().map { index, row in
            let seconds = form == .counts ? bin : index < gaps.count ? gaps[index] : gaps.last ?? 1
            return Step(
                at: row.time - first.time, seconds: seconds, requestsPerSecond: form == .counts ? row.value / seconds : row.value)
        }
        if seconds > Self.mostSeconds || requests > Self.mostRequests {
            throw TraceError(
                file: file, line: last.line,
                message: "the trace is too long to simulate: \(requests) requests in \(seconds) s; thin it or cut it")
        }
    }

    private static let expected = "its first line must be ‘seconds,requests_per_second’ or ‘second,requests’"

    private static func form(of line: Substring, file: String, line number: Int) throws(TraceError) -> Form {
        switch line.lowercased().filter({ $0 != " " }) {
        case "seconds,requests_per_second": .rates
        case "second,requests": .counts
        default: throw TraceError(file: file, line: number, message: "unknown header ‘\(line)’: \(expected)")
        }
    }

    private static func row(_ line: Substring, file: String, line number: Int) throws(TraceError) -> (time: Double, value: Double)
    {
        let cells = line.split(separator: ",", omittingEmptySubsequences: false).map { $0.trimmingBlanks() }
        guard cells.count == 2 else {
            throw TraceError(file: file, line: number, message: "two numbers expected, found \(cells.count): ‘\(line)’")
        }
        guard let time = Double(cells[0]), time.isFinite, time >= 0 else {
            throw TraceError(file: file, line: number, message: "‘\(cells[0])’ is not a time in seconds")
        }
        guard let value = Double(cells[1]), value.isFinite, value >= 0 else {
            throw TraceError(file: file, line: number, message: "‘\(cells[1])’ is not a number of requests")
        }
        return (time, value)
    }
}

extension StringProtocol {
    /// Without blanks, tabs and carriage returns at its ends.
    fileprivate func trimmingBlanks() -> Substring {
        let isBlank = { (character: Character) in
            character == " " || character == "\t" || character == "\r" || character == "\r\n"
        }
        guard let start = firstIndex(where: { !isBlank($0) }), let end = lastIndex(where: { !isBlank($0) }) else { return "" }
        return Substring(self[start...end])
    }
}

extension Double {
    /// Without a fraction where there is none.
    fileprivate var plain: String { self == rounded() && abs(self) < 1e15 ? "\(Int(self))" : "\(self)" }
}
