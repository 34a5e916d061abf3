/// Any JSON document, for those of which most is passed on as it is.
enum JSONValue: Codable, Hashable {
    case null
    case boolean(Bool)
    case integer(Int64)
    case number(Double)
    case text(String)
    case list([JSONValue])
    case object([String: JSONValue])

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .null
        } else if let value = try? container.decode(Bool.self) {
            self = .boolean(value)
        } else if let value = try? container.decode(Int64.self) {
            self = .integer(value)
        } else if let value = try? container.decode(Double.self) {
            self = .number(value)
        } else if let value = try? container.decode(String.self) {
            self = .text(value)
        } else if let value = try? container.decode([JSONValue].self) {
            self = .list(value)
        } else {
            self = .object(try container.decode([String: JSONValue].self))
        }
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .null: try container.encodeNil()
        case .boolean(let value): try container.encode(value)
        case .integer(let value): try container.encode(value)
        case .number(let value): try container.encode(value)
        case .text(let value): try container.encode(value)
        case .list(let values): try container.encode(values)
        case .object(let members): try container.encode(members)
        }
    }

    /// A member of an object; setting one makes an object of whatever this was, and setting nil takes it away.
    subscript(_ name: String) -> JSONValue? {
        get {
            guard case .object(let members) = self else { return nil }
            return members[name]
        }
        set {
            var members: [String: JSONValue] = [:]
            if case .object(let present) = self { members = present }
            members[name] = newValue
            self = .object(members)
        }
    }

    /// The elements of a list; none of anything else.
    var elements: [JSONValue] {
        guard case .list(let values) = self else { return [] }
        return values
    }
}

extension ImageConfiguration {
    /// Puts what this says into a configuration document and leaves the rest of that as it is.
    func apply(to document: inout JSONValue) {
        func list(_ values: [String]) -> JSONValue? { values.isEmpty ? nil : .list(values.map(JSONValue.text)) }
        var process = document["config"] ?? .object([:])
        process["Entrypoint"] = list(entrypoint)
        process["Cmd"] = list(command)
        process["Env"] = list(environment)
        process["WorkingDir"] = .text(workingDirectory)
        process["User"] = user.isEmpty ? nil : .text(user)
        process["StopSignal"] = stopSignal.map(JSONValue.text)
        process["Labels"] = labels.isEmpty ? nil : .object(labels.mapValues(JSONValue.text))
        document["config"] = process
        document["architecture"] = .text(architecture)
        document["os"] = .text(operatingSystem)
    }
}
