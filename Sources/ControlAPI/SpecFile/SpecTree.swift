import SidekickModel
import Yams

/// Walks one document's YAML nodes, noting where each key stands and everything that is wrong.
struct SpecTree {
    let file: String
    private(set) var problems: [SpecProblem] = []
    /// Where the value of each key path stands.
    private var marks: [String: Mark] = [:]

    init(file: String) { self.file = file }

    mutating func report(_ mark: Mark?, _ key: String, _ message: String, nearest: String? = nil) {
        problems.append(
            SpecProblem(
                file: file, line: mark?.line ?? 0, column: mark?.column ?? 0, key: key, message: message, nearest: nearest))
    }

    /// Reports an issue of validation at the key it is about, or at the nearest key around it.
    mutating func report(_ issue: SpecIssue) {
        var path = Substring(issue.path)
        while marks[String(path)] == nil, let cut = path.lastIndex(where: { $0 == "." || $0 == "[" }) { path = path[..<cut] }
        report(marks[String(path)] ?? marks[""], issue.path, issue.message)
    }

    mutating func note(_ path: String, _ node: Node) { marks[path] = node.mark }

    /// Reads the keys of a mapping through `fields`; an unknown key is a problem naming the nearest known one.
    mutating func mapping<Target>(_ node: Node, _ path: String, _ fields: [SpecField<Target>], into target: inout Target) {
        note(path, node)
        guard let mapping = node.mapping else { return mismatch(node, path, "keys and values") }
        for (key, value) in mapping {
            guard let name = key.string else {
                report(key.mark, path, "a key here is \(Self.kind(key)); keys are plain words")
                continue
            }
            let place = path.isEmpty ? name : "\(path).\(name)"
            if let field = fields.first(where: { $0.name == name }) {
                note(place, value)
                field.read(&self, value, place, &target)
            } else {
                unknown(name, at: key.mark, place, among: fields.map(\.name))
            }
        }
    }

    private mutating func unknown(_ name: String, at mark: Mark?, _ place: String, among valid: [String]) {
        guard let nearest = NearestKey.nearest(to: name, among: valid) else { return report(mark, place, "unknown key") }
        if NearestKey.isLikely(edits: nearest.edits, word: name) {
            return report(mark, place, "unknown key; did you mean ‘\(nearest.key)’?", nearest: nearest.key)
        }
        let homes = SpecSchema.sections(having: name)
        let hint = homes.isEmpty ? "" : "; ‘\(name)’ belongs under \(homes.joined(separator: " or "))"
        report(
            mark, place,
            "unknown key; the nearest valid one is ‘\(nearest.key)’ of \(valid.sorted().joined(separator: ", "))\(hint)",
            nearest: nearest.key)
    }

    mutating func mismatch(_ node: Node, _ path: String, _ expected: String) {
        if Self.isNull(node) {
            report(node.mark, path, "has no value; give \(expected), or leave the key out")
        } else {
            report(node.mark, path, "expected \(expected), found \(Self.kind(node))")
        }
    }

    /// The node as written, when it is a single value and not empty.
    mutating func scalar(_ node: Node, _ path: String, _ expected: String) -> String? {
        guard let scalar = node.scalar, !Self.isNull(node) else {
            mismatch(node, path, expected)
            return nil
        }
        return scalar.string
    }

    mutating func integer(_ node: Node, _ path: String, _ expected: String = "a whole number") -> Int? {
        guard let text = scalar(node, path, expected) else { return nil }
        guard node.scalar.map(Self.isPlain) == true, let value = Int(text) else {
            mismatch(node, path, expected)
            return nil
        }
        return value
    }

    mutating func words(_ node: Node, _ path: String, _ expected: String) -> [String] {
        guard let sequence = node.sequence else {
            mismatch(node, path, expected)
            return []
        }
        var words: [String] = []
        for (index, item) in sequence.enumerated() {
            note("\(path)[\(index)]", item)
            if let word = scalar(item, "\(path)[\(index)]", "a word") { words.append(word) }
        }
        return words
    }

    /// A list of percentages, `10%` or `10`.
    mutating func percentages(_ node: Node, _ path: String) -> [Int] {
        let words = words(node, path, "a list of percentages such as [10%, 50%]")
        var numbers: [Int] = []
        for (index, word) in words.enumerated() {
            if let number = Int(word.hasSuffix("%") ? word.dropLast() : word[...]) {
                numbers.append(number)
            } else if let item = node.sequence?[index] {
                mismatch(item, "\(path)[\(index)]", "a percentage such as 10%")
            }
        }
        return numbers
    }

    private static func isPlain(_ scalar: Node.Scalar) -> Bool { scalar.style == .plain || scalar.style == .any }

    private static func isNull(_ node: Node) -> Bool {
        guard let scalar = node.scalar, isPlain(scalar) else { return false }
        return scalar.string.isEmpty || scalar.string == "~" || scalar.string == "null"
    }

    static func kind(_ node: Node) -> String {
        switch node {
        case .scalar(let scalar): isPlain(scalar) ? "‘\(scalar.string)’" : "the text ‘\(scalar.string)’"
        case .mapping: "keys and values"
        case .sequence: "a list"
        case .alias: "an alias"
        }
    }
}
