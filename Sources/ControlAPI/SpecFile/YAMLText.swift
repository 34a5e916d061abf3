import Yams

/// Writes values as YAML, in the order their properties are declared.
package enum YAMLText {
    /// - Throws: what the value's own encoding throws.
    package static func text(of value: some Encodable) throws -> String {
        let encoder = YAMLEncoder()
        encoder.options.allowUnicode = true
        return try encoder.encode(value)
    }
}
