/// One thing wrong in a spec file, placed where the operator has to look.
package struct SpecProblem: Hashable, Sendable, Codable {
    /// The file as the operator named it.
    package var file: String
    /// From 1; 0 when the problem has no place in the file.
    package var line: Int
    /// From 1, counted in Unicode scalars; 0 when the problem has no place in the file.
    package var column: Int
    /// The key's path, such as `replicas.max`; empty for the document itself.
    package var key: String
    package var message: String
    /// For an unknown key, the valid key nearest to it.
    package var nearest: String?

    package init(file: String, line: Int, column: Int, key: String, message: String, nearest: String? = nil) {
        self.file = file
        self.line = line
        self.column = column
        self.key = key
        self.message = message
        self.nearest = nearest
    }
}

extension SpecProblem: CustomStringConvertible {
    /// `web.yaml:7:3: replicas.maks: unknown key; did you mean ‘max’?`, the form editors and compilers jump to.
    package var description: String {
        let place = line > 0 ? "\(file):\(line):\(column)" : file
        return key.isEmpty ? "\(place): \(message)" : "\(place): \(key): \(message)"
    }
}

/// Thrown when a spec file cannot be read: everything wrong in it at once, in file order.
package struct SpecFileError: Error, Hashable, Sendable, CustomStringConvertible {
    package var problems: [SpecProblem]

    package init(problems: [SpecProblem]) { self.problems = problems }

    package var description: String { problems.map(\.description).joined(separator: "\n") }
}
