/// One line of the result (DESIGN.md section 11).
struct Measurement {
    var name: String
    var unit: String
    var ours: [Double]
    /// The peer's title and what it took, paired with `ours`.
    var peer: (title: String, theirs: [Double])?
    /// Largest ratio, or largest value where there is no peer.
    var budget: Double?
    /// The value judged where it is not the median: 0.99 for the 99th percentile.
    var quantile = 0.5

    var value: Double { Self.quantile(ours, quantile) }
    var ratios: [Double] { peer.map { zip(ours, $0.theirs).map { $0 / $1 } } ?? [] }
    var ratio: Double? { ratios.isEmpty ? nil : Self.quantile(ratios, 0.5) }
    var isMet: Bool? { budget.map { (ratio ?? value) <= $0 } }

    static func quantile(_ values: [Double], _ q: Double) -> Double {
        guard !values.isEmpty else { return .nan }
        let sorted = values.sorted()
        return sorted[min(sorted.count - 1, Int(Double(sorted.count) * q))]
    }

    var json: String {
        let spread = ratios.isEmpty ? ours : ratios
        return """
            {"name": "\(name)", "unit": "\(unit)", "ours": \(number(value)), "peer": \(peer.map { "\"\($0.title)\"" } ?? "null"), \
            "theirs": \(peer.map { number(Self.quantile($0.theirs, quantile)) } ?? "null"), \
            "ratio": \(ratio.map(number) ?? "null"), \
            "spread": [\(number(Self.quantile(spread, 0.25))), \(number(Self.quantile(spread, 0.75)))], "runs": \(ours.count), \
            "budget": \(budget.map(number) ?? "null"), "met": \(isMet.map(String.init) ?? "null")}
            """
    }

    var line: String {
        var line = name.padded(64) + number(value).padded(10) + unit.padded(4)
        if let peer { line += peer.title.padded(14) + number(Self.quantile(peer.theirs, quantile)).padded(10) }
        if let ratio { line += "x \(number(ratio))".padded(10) }
        if let budget, let isMet { line += "budget \(number(budget)) \(isMet ? "met" : "MISSED")" }
        return line
    }
}

/// Up to three digits behind the point, never in exponents.
private func number(_ value: Double) -> String {
    guard value.isFinite else { return "null" }
    let thousandths = Int((value * 1000).rounded())
    let (whole, rest) = (abs(thousandths) / 1000, abs(thousandths) % 1000)
    var digits = String(rest)
    while digits.count < 3 { digits = "0" + digits }
    while digits.last == "0" { digits.removeLast() }
    return (thousandths < 0 ? "-" : "") + String(whole) + (digits.isEmpty ? "" : "." + digits)
}

extension String {
    fileprivate func padded(_ width: Int) -> String {
        count < width ? self + String(repeating: " ", count: width - count) : self + " "
    }
}
