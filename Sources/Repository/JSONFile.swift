import FoundationEssentials

/// JSON as the repository's files hold it: Go's field names, no slashes escaped, sorted keys so
/// that equal values are equal bytes.
enum JSONFile {
    static func encode(_ value: some Encodable) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return [UInt8](try encoder.encode(value))
    }

    /// - Throws: `RepositoryError` with code `corrupt` naming `object`.
    static func decode<Value: Decodable>(
        _ type: Value.Type, from bytes: [UInt8], object: String
    ) throws -> Value {
        do {
            return try JSONDecoder().decode(type, from: Data(bytes))
        } catch let error as RepositoryError {
            throw error
        } catch {
            throw RepositoryError(
                code: .corrupt(object: object),
                message: "\(object) is corrupt: its JSON cannot be read", cause: error)
        }
    }
}

extension BlobID: Codable {
    /// Reads 64 hexadecimal digits.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let id = BlobID(hex: text) else {
            throw DecodingError.dataCorruptedError(
                in: container, debugDescription: "not an id: \(text.prefix(80))")
        }
        self = id
    }

    /// Writes 64 hexadecimal digits.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(hex)
    }
}
