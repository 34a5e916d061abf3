import ArgumentParser
import SidekickModel

/// A duration on the command line, written as in specs.
struct DurationArgument: ExpressibleByArgument {
    let milliseconds: Milliseconds

    init(_ milliseconds: Milliseconds) { self.milliseconds = milliseconds }

    init?(argument: String) {
        guard let milliseconds = Milliseconds(text: argument) else { return nil }
        self.milliseconds = milliseconds
    }

    var defaultValueDescription: String { "\(milliseconds)" }
}
