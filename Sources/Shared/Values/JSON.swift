import FoundationEssentials

/// How Berth writes and reads JSON everywhere: keys are the Swift property names, sorted, so that
/// equal values are equal bytes; unknown keys are ignored.
public enum JSON {
    /// Encodes a value as UTF-8 with sorted keys and unescaped slashes.
    public static func encode(_ value: some Encodable) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return [UInt8](try encoder.encode(value))
    }

    /// Encodes a value as text.
    public static func text(_ value: some Encodable) throws -> String {
        String(decoding: try encode(value), as: UTF8.self)
    }

    /// Decodes UTF-8 JSON.
    ///
    /// - Throws: `DecodingError`, which names the member that is missing or of another form.
    public static func decode<Value: Decodable>(
        _ type: Value.Type, from bytes: some Sequence<UInt8>
    ) throws -> Value {
        try JSONDecoder().decode(type, from: Data(bytes))
    }

    /// Decodes a document of another document's part.
    public static func decode<Value: Decodable>(
        _ type: Value.Type, from value: JSONValue
    ) throws -> Value {
        try decode(type, from: try encode(value))
    }

    /// A typed value as a document that other layers pass on.
    public static func value(_ value: some Encodable) throws -> JSONValue {
        try decode(JSONValue.self, from: try encode(value))
    }
}
