/// Any JSON document (RFC 8259): inputs and results that a layer passes on without reading them.
public enum JSONValue: Hashable, Sendable, Codable {
    case null
    case bool(Bool)
    case integer(Int64)
    case number(Double)
    case string(String)
    case array([JSONValue])
    case object([String: JSONValue])

    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .null
        } else if let value = try? container.decode(Bool.self) {  // one of several forms
            self = .bool(value)
        } else if let value = try? container.decode(Int64.self) {  // one of several forms
            self = .integer(value)
        } else if let value = try? container.decode(Double.self) {  // one of several forms
            self = .number(value)
        } else if let value = try? container.decode(String.self) {  // one of several forms
            self = .string(value)
        } else if let value = try? container.decode([JSONValue].self) {  // one of several forms
            self = .array(value)
        } else {
            self = .object(try container.decode([String: JSONValue].self))
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .null: try container.encodeNil()
        case .bool(let value): try container.encode(value)
        case .integer(let value): try container.encode(value)
        case .number(let value): try container.encode(value)
        case .string(let value): try container.encode(value)
        case .array(let value): try container.encode(value)
        case .object(let value): try container.encode(value)
        }
    }

    /// The member of an object, or nil.
    public subscript(key: String) -> JSONValue? {
        guard case .object(let members) = self else { return nil }
        return members[key]
    }

    /// The text of a string, or nil.
    public var text: String? {
        guard case .string(let value) = self else { return nil }
        return value
    }
}
