/// A JSON schema, as far as the API's document needs one.
indirect enum OpenAPISchema: Sendable {
    /// Whatever it is.
    case anything
    case string
    case integer
    case number
    case boolean
    /// One of these words.
    case words([String])
    case array(OpenAPISchema)
    /// An object whose keys are free.
    case map(OpenAPISchema)
    /// A schema of the document's components.
    case reference(String)
    /// Either of them.
    case either([OpenAPISchema])
    case object([OpenAPIProperty])

    var json: String {
        switch self {
        case .anything: "{}"
        case .string: #"{"type":"string"}"#
        case .integer: #"{"type":"integer"}"#
        case .number: #"{"type":"number"}"#
        case .boolean: #"{"type":"boolean"}"#
        case .words(let words): #"{"type":"string","enum":[\#(words.map { "\"\($0)\"" }.joined(separator: ","))]}"#
        case .array(let element): #"{"type":"array","items":\#(element.json)}"#
        case .map(let value): #"{"type":"object","additionalProperties":\#(value.json)}"#
        case .reference(let name): ##"{"$ref":"#/components/schemas/\##(name)"}"##
        case .either(let schemas): #"{"oneOf":[\#(schemas.map(\.json).joined(separator: ","))]}"#
        case .object(let properties): Self.object(properties)
        }
    }

    private static func object(_ properties: [OpenAPIProperty]) -> String {
        let list = properties.map { "\"\($0.name)\":\($0.schema.json)" }.joined(separator: ",")
        let required = properties.filter(\.isRequired).map { "\"\($0.name)\"" }.joined(separator: ",")
        return #"{"type":"object","additionalProperties":false,"required":[\#(required)],"properties":{\#(list)}}"#
    }
}

/// One key of an object.
struct OpenAPIProperty: Sendable {
    var name: String
    var schema: OpenAPISchema
    var isRequired = true

    init(_ name: String, _ schema: OpenAPISchema, optional: Bool = false) {
        self.name = name
        self.schema = schema
        isRequired = !optional
    }
}
