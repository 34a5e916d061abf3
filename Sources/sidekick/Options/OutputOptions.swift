import ArgumentParser
import ControlAPI
import FoundationEssentials

enum OutputFormat: String, ExpressibleByArgument, CaseIterable { case table, json, yaml }

struct OutputOptions: ParsableArguments {
    @Option(name: [.short, .customLong("output")], help: "Form of the answer: table, json or yaml.")
    var output: OutputFormat = .table

    /// Prints `value` in the form asked for, `table` making the table.
    func show(_ value: some Encodable, table: () -> String) throws {
        switch output {
        case .table: StandardOutput.line(table())
        case .json: StandardOutput.line(try JSONText.text(of: value))
        case .yaml: StandardOutput.write(Array(try YAMLText.text(of: value).utf8))
        }
    }
}

enum JSONText {
    static func text(of value: some Encodable, pretty: Bool = true) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting =
            pretty ? [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes] : [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(value), as: UTF8.self)
    }
}
