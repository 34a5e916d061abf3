/// A trace and what the scaler made of it, drawn: load above, online and standby replicas below.
package enum TracePlot {
    private static let width = 960.0
    private static let height = 420.0
    private static let left = 56.0
    private static let right = 16.0
    private static let columns = 900

    /// An SVG document.
    /// - Parameter title: shown above the plot; any text.
    package static func svg(title: String, trace: LoadTrace, changes: [PolicyReport.Change]) -> String {
        let seconds = max(trace.seconds, 1)
        let load = highest(over: trace.steps.map { ($0.at, $0.requestsPerSecond, $0.at + $0.seconds) }, seconds, columns)
        let online = levels(changes.map { ($0.at, Double($0.online)) }, seconds, columns)
        let ready = levels(changes.map { ($0.at, Double($0.online + $0.standby)) }, seconds, columns)
        var lines = [
            #"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \#(whole(width)) \#(whole(height))" font-family="sans-serif" font-size="12">"#,
            #"<rect width="100%" height="100%" fill="white"/>"#,
            #"<text x="\#(whole(left))" y="18" font-size="14">\#(escaped(title))</text>"#,
        ]
        lines += panel(top: 44, bottom: 190, label: "requests per second", [("#4a6fa5", load)])
        lines += panel(
            top: 232, bottom: 378, label: "replicas: online (dark), with standbys (light)",
            [("#d5dfa8", ready), ("#5b7f1f", online)])
        for step in 0...4 {
            let x = left + (width - left - right) * Double(step) / 4
            let anchor = step == 0 ? "start" : step == 4 ? "end" : "middle"
            lines.append(
                #"<text x="\#(whole(x))" y="396" text-anchor="\#(anchor)">\#(duration(seconds * Double(step) / 4))</text>"#)
        }
        return (lines + ["</svg>", ""]).joined(separator: "\n")
    }

    /// One line of block characters as high as the values.
    package static func sparkline(_ trace: LoadTrace, columns: Int) -> String {
        text(highest(over: trace.steps.map { ($0.at, $0.requestsPerSecond, $0.at + $0.seconds) }, max(trace.seconds, 1), columns))
    }

    /// The online replicas as one line of block characters.
    package static func sparkline(_ changes: [PolicyReport.Change], seconds: Double, columns: Int) -> String {
        text(levels(changes.map { ($0.at, Double($0.online)) }, max(seconds, 1), columns))
    }

    private static func text(_ values: [Double]) -> String {
        let blocks = Array(" ▁▂▃▄▅▆▇█")
        let most = values.max() ?? 0
        return String(
            values.map { value in
                guard most > 0, value > 0 else { return blocks[0] }
                return blocks[min(8, max(1, Int((value / most * 8).rounded(.up))))]
            })
    }

    /// The highest value that holds within each column.
    private static func highest(over spans: [(from: Double, value: Double, to: Double)], _ seconds: Double, _ columns: Int)
        -> [Double]
    {
        var result = Array(repeating: 0.0, count: columns)
        for span in spans where span.to > span.from {
            let first = min(columns - 1, max(0, Int(span.from / seconds * Double(columns))))
            let last = min(columns - 1, max(first, Int((span.to / seconds * Double(columns)).rounded(.up)) - 1))
            for column in first...last { result[column] = max(result[column], span.value) }
        }
        return result
    }

    private static func levels(_ changes: [(at: Double, value: Double)], _ seconds: Double, _ columns: Int) -> [Double] {
        let ends = changes.dropFirst().map(\.at) + [seconds]
        return highest(over: zip(changes, ends).map { ($0.at, $0.value, $1) }, seconds, columns)
    }

    private static func panel(top: Double, bottom: Double, label: String, _ areas: [(colour: String, values: [Double])])
        -> [String]
    {
        let most = max(areas.flatMap(\.values).max() ?? 0, 1e-9)
        var lines = [#"<text x="\#(whole(left))" y="\#(whole(top - 6))" fill="dimgray">\#(label)</text>"#]
        for (colour, values) in areas {
            var points = "\(whole(left)),\(whole(bottom))"
            for (column, value) in values.enumerated() {
                let y = tenth(bottom - (bottom - top) * value / most)
                for edge in [column, column + 1] {
                    points += " \(tenth(left + (width - left - right) * Double(edge) / Double(values.count))),\(y)"
                }
            }
            points += " \(whole(width - right)),\(whole(bottom))"
            lines.append(#"<polygon points="\#(points)" fill="\#(colour)"/>"#)
        }
        lines.append(
            #"<path d="M\#(whole(left)) \#(whole(top))V\#(whole(bottom))H\#(whole(width - right))" fill="none" stroke="gray"/>"#)
        lines.append(#"<text x="\#(whole(left - 6))" y="\#(whole(top + 10))" text-anchor="end">\#(tenth(most))</text>"#)
        lines.append(#"<text x="\#(whole(left - 6))" y="\#(whole(bottom))" text-anchor="end">0</text>"#)
        return lines
    }

    private static func whole(_ value: Double) -> String { "\(Int(value.rounded()))" }
    private static func tenth(_ value: Double) -> String {
        let tenths = Int((value * 10).rounded())
        return tenths % 10 == 0 ? "\(tenths / 10)" : "\(Double(tenths) / 10)"
    }
    private static func duration(_ seconds: Double) -> String {
        seconds >= 7200 ? "\(tenth(seconds / 3600)) h" : seconds >= 120 ? "\(tenth(seconds / 60)) min" : "\(tenth(seconds)) s"
    }
    private static func escaped(_ text: String) -> String {
        text.map { ["<": "&lt;", ">": "&gt;", "&": "&amp;", "\"": "&quot;"][$0] ?? String($0) }.joined()
    }
}
