import FoundationEssentials

/// A path inside a project: relative, without `.` or `..`, in raw bytes, because file names are
/// bytes.
///
/// The empty path is the project's root.
///
/// In JSON it is a string; a path that is not UTF-8 is `{"base64": "…"}`.
public struct ProjectPath: Hashable, Sendable, Codable, CustomStringConvertible {
    /// The components' raw bytes; none of them is empty, `.`, `..`, or holds `/` or NUL.
    public let components: [[UInt8]]

    /// The project's root.
    public static let root = ProjectPath(checked: [])

    private init(checked components: [[UInt8]]) {
        self.components = components
    }

    /// Reads a path such as `src/data`; one slash at the end is allowed.
    ///
    /// - Throws: `InvalidPath` when it is absolute, holds `..`, `.`, an empty component or NUL, a
    ///   component above 255 bytes, or is longer than 64 KiB.
    public init(bytes: [UInt8]) throws(InvalidPath) {
        guard bytes.count <= 65_536 else { throw InvalidPath(bytes, "is longer than 64 KiB") }
        guard bytes.first != 0x2F else {
            throw InvalidPath(bytes, "is absolute; name it from the project's root, as in src/data")
        }
        var parts = bytes.split(separator: 0x2F, omittingEmptySubsequences: false).map(Array.init)
        if parts.last == [] { parts.removeLast() }
        for part in parts {
            if part.isEmpty { throw InvalidPath(bytes, "has an empty component") }
            if part == [0x2E] || part == [0x2E, 0x2E] {
                throw InvalidPath(bytes, "has a \".\" or \"..\" component")
            }
            if part.contains(0) { throw InvalidPath(bytes, "holds a NUL byte") }
            if part.count > 255 {
                throw InvalidPath(bytes, "has a component of more than 255 bytes")
            }
        }
        components = parts
    }

    /// Reads a path from text.
    public init(_ text: String) throws(InvalidPath) {
        try self.init(bytes: Array(text.utf8))
    }

    /// The components joined by slashes.
    public var bytes: [UInt8] { Array(components.joined(separator: [0x2F])) }

    /// The path as text, where bytes that are not UTF-8 show as replacement characters.
    public var description: String { String(decoding: bytes, as: UTF8.self) }

    /// The last component, or nil for the root.
    public var name: [UInt8]? { components.last }

    private struct Raw: Codable {
        let base64: Data
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let bytes: [UInt8]
        if let text = try? container.decode(String.self) {  // one of two forms
            bytes = Array(text.utf8)
        } else {
            bytes = [UInt8](try container.decode(Raw.self).base64)
        }
        do {
            self = try ProjectPath(bytes: bytes)
        } catch {
            throw DecodingError.dataCorruptedError(
                in: container, debugDescription: error.description)
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        if let text = String(validating: bytes, as: UTF8.self) {
            try container.encode(text)
        } else {
            try container.encode(Raw(base64: Data(bytes)))
        }
    }
}

/// Why a path cannot be a path inside a project.
public struct InvalidPath: Error, Sendable, CustomStringConvertible {
    /// The path and what is wrong with it.
    public let description: String

    init(_ bytes: [UInt8], _ reason: String) {
        description = "the path \"\(String(decoding: bytes.prefix(200), as: UTF8.self))\" \(reason)"
    }
}
