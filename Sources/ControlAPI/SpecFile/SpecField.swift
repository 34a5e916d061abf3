import SidekickModel
import Yams

/// One key of a spec's section: its name, and how its value is read into the section.
struct SpecField<Target> {
    let name: String
    let read: (_ tree: inout SpecTree, _ node: Node, _ path: String, _ target: inout Target) -> Void
}

extension SpecField {
    static func integer(_ name: String, _ property: WritableKeyPath<Target, Int>) -> Self {
        SpecField(name: name) { tree, node, path, target in
            if let value = tree.integer(node, path) { target[keyPath: property] = value }
        }
    }

    static func text(_ name: String, _ property: WritableKeyPath<Target, String>, _ expected: String) -> Self {
        SpecField(name: name) { tree, node, path, target in
            if let value = tree.scalar(node, path, expected) { target[keyPath: property] = value }
        }
    }

    static func text(_ name: String, _ property: WritableKeyPath<Target, String?>, _ expected: String) -> Self {
        SpecField(name: name) { tree, node, path, target in
            if let value = tree.scalar(node, path, expected) { target[keyPath: property] = value }
        }
    }

    static func boolean(_ name: String, _ property: WritableKeyPath<Target, Bool>) -> Self {
        SpecField(name: name) { tree, node, path, target in
            let expected = "true or false"
            guard let text = tree.scalar(node, path, expected) else { return }
            if let value = Bool(text) { target[keyPath: property] = value } else { tree.mismatch(node, path, expected) }
        }
    }

    static func words(_ name: String, _ property: WritableKeyPath<Target, [String]>, _ expected: String) -> Self {
        SpecField(name: name) { tree, node, path, target in target[keyPath: property] = tree.words(node, path, expected) }
    }

    /// A value with a unit, read by `parse`.
    static func quantity<Value>(
        _ name: String, _ property: WritableKeyPath<Target, Value>, _ expected: String, parse: @escaping (String) -> Value?
    ) -> Self {
        SpecField(name: name) { tree, node, path, target in
            guard let text = tree.scalar(node, path, expected) else { return }
            if let value = parse(text) { target[keyPath: property] = value } else { tree.mismatch(node, path, expected) }
        }
    }

    /// A value with a unit that may be absent. A separate function, because an optional `parse` result would be taken for a value.
    static func quantity<Value>(
        _ name: String, _ property: WritableKeyPath<Target, Value?>, _ expected: String, parse: @escaping (String) -> Value?
    ) -> Self {
        SpecField(name: name) { tree, node, path, target in
            guard let text = tree.scalar(node, path, expected) else { return }
            if let value = parse(text) { target[keyPath: property] = value } else { tree.mismatch(node, path, expected) }
        }
    }

    static func duration(_ name: String, _ property: WritableKeyPath<Target, Milliseconds>) -> Self {
        quantity(name, property, "a duration with its unit, such as 100ms, 30s or 5m") { Milliseconds(text: $0) }
    }

    /// One of a few words.
    static func choice<Value: RawRepresentable>(
        _ name: String, _ property: WritableKeyPath<Target, Value>, _ choices: [Value]
    ) -> Self where Value.RawValue == String {
        let names = choices.map(\.rawValue)
        return SpecField(name: name) { tree, node, path, target in
            let expected = "one of \(names.joined(separator: ", "))"
            guard let text = tree.scalar(node, path, expected) else { return }
            if let value = choices.first(where: { $0.rawValue == text }) {
                target[keyPath: property] = value
            } else {
                tree.mismatch(node, path, expected)
            }
        }
    }

    /// A whole number or the word `auto`.
    static func integerOrAuto<Value>(
        _ name: String, _ property: WritableKeyPath<Target, Value>, auto: Value, number: @escaping (Int) -> Value
    ) -> Self {
        SpecField(name: name) { tree, node, path, target in
            let expected = "a whole number or auto"
            if node.scalar?.string == "auto" {
                target[keyPath: property] = auto
            } else if let value = tree.integer(node, path, expected) {
                target[keyPath: property] = number(value)
            }
        }
    }

    static func section<Section>(
        _ name: String, _ property: WritableKeyPath<Target, Section>, _ fields: [SpecField<Section>]
    ) -> Self {
        SpecField(name: name) { tree, node, path, target in tree.mapping(node, path, fields, into: &target[keyPath: property]) }
    }

    /// A section that is absent unless written.
    static func section<Section>(
        _ name: String, _ property: WritableKeyPath<Target, Section?>, empty: Section, _ fields: [SpecField<Section>]
    ) -> Self {
        SpecField(name: name) { tree, node, path, target in
            var section = empty
            tree.mapping(node, path, fields, into: &section)
            target[keyPath: property] = section
        }
    }

    static func list<Item>(
        _ name: String, _ property: WritableKeyPath<Target, [Item]>, empty: Item, _ fields: [SpecField<Item>]
    ) -> Self {
        SpecField(name: name) { tree, node, path, target in
            guard let items = items(node, path, empty, fields, in: &tree) else { return }
            target[keyPath: property] += items
        }
    }

    /// A list that is absent unless written.
    static func list<Item>(
        _ name: String, _ property: WritableKeyPath<Target, [Item]?>, empty: Item, _ fields: [SpecField<Item>]
    ) -> Self {
        SpecField(name: name) { tree, node, path, target in
            guard let items = items(node, path, empty, fields, in: &tree) else { return }
            target[keyPath: property] = items.isEmpty ? nil : items
        }
    }

    /// nil when the node is no list, which is told then.
    private static func items<Item>(
        _ node: Node, _ path: String, _ empty: Item, _ fields: [SpecField<Item>], in tree: inout SpecTree
    ) -> [Item]? {
        guard let sequence = node.sequence else {
            tree.mismatch(node, path, "a list")
            return nil
        }
        return sequence.enumerated().map { index, item in
            var value = empty
            tree.mapping(item, "\(path)[\(index)]", fields, into: &value)
            return value
        }
    }

    /// Free keys, each with one value.
    static func dictionary<Value>(
        _ name: String, _ property: WritableKeyPath<Target, [String: Value]>, _ expected: String,
        value read: @escaping (inout SpecTree, Node, String) -> Value?
    ) -> Self {
        SpecField(name: name) { tree, node, path, target in
            guard let mapping = node.mapping else { return tree.mismatch(node, path, expected) }
            for (key, item) in mapping {
                guard let word = key.scalar?.string else {
                    tree.report(key.mark, path, "a key here is \(SpecTree.kind(key)); keys are plain words")
                    continue
                }
                tree.note("\(path).\(word)", item)
                if let value = read(&tree, item, "\(path).\(word)") { target[keyPath: property][word] = value }
            }
        }
    }
}
