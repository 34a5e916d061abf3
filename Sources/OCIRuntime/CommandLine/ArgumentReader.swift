import ContainerCore

/// One option of a command, as runc and crun spell them: `--name VALUE`, `--name=VALUE`, `-n VALUE`.
struct CommandOption: Sendable {
    var name: String
    var short: Character?
    /// What its value is called in the help; nil for a switch.
    var value: String?
    var help: String

    init(_ name: String, _ help: String) { self.init(name, nil, value: nil, help) }

    init(_ name: String, _ short: Character? = nil, value: String? = nil, _ help: String) {
        self.name = name
        self.short = short
        self.value = value
        self.help = help
    }
}

/// A command line, read against the options that a command has.
struct ParsedArguments: Sendable {
    /// In the order given.
    private(set) var options: [(name: String, value: String)] = []
    private(set) var operands: [String] = []

    /// - Parameter stopsAtOperand: what follows the first operand is not ours to read, dashes or not.
    init(_ arguments: some Sequence<String>, _ known: [CommandOption], operandsBeforeStop: Int? = nil) throws {
        var rest = Array(arguments)[...]
        while let argument = rest.popFirst() {
            if argument == "--" {
                operands += rest
                return
            }
            guard argument.hasPrefix("-"), argument.count > 1 else {
                operands.append(argument)
                if operands.count == operandsBeforeStop {
                    if rest.first == "--" { rest.removeFirst() }
                    operands += rest
                    return
                }
                continue
            }
            try read(argument, &rest, known)
        }
    }

    private mutating func read(_ argument: String, _ rest: inout ArraySlice<String>, _ known: [CommandOption]) throws {
        let isLong = argument.hasPrefix("--")
        let body = argument.dropFirst(isLong ? 2 : 1)
        let pair = body.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        var attached = pair.count == 2 ? pair[1] : nil
        var option = known.first { $0.name == pair[0] }
        if !isLong, let first = body.first, let short = known.first(where: { $0.short == first }) {
            option = short
            let remainder = body.dropFirst()
            attached = remainder.isEmpty ? nil : String(remainder.hasPrefix("=") ? remainder.dropFirst() : remainder)
        }
        guard let option else { throw invalid("unknown option \(argument); --help lists those there are") }
        if option.value == nil {
            options.append((option.name, attached ?? "true"))
        } else if let attached {
            options.append((option.name, attached))
        } else {
            guard let value = rest.popFirst() else { throw invalid("option --\(option.name) needs a value") }
            options.append((option.name, value))
        }
    }

    func has(_ name: String) -> Bool { self[name].map { $0 != "false" } ?? false }

    /// The last one given counts.
    subscript(_ name: String) -> String? { options.last { $0.name == name }?.value }

    func all(_ name: String) -> [String] { options.filter { $0.name == name }.map(\.value) }

    func number<Number: FixedWidthInteger>(_ name: String) throws -> Number? {
        guard let text = self[name] else { return nil }
        guard let number = Number(text) else { throw invalid("option --\(name): \(text) is no whole number") }
        return number
    }
}
