/// The name of an object in a store: segments of `[a-z0-9_.-]` joined by `/`, such as
/// `data/4f/4f21…`.
///
/// No segment is empty, `.` or `..`, and none begins with `.tmp-`, so that a name is a safe path
/// below a directory and is never mistaken for a file in the making.
public struct ObjectName: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The longest name in bytes.
    public static let limitBytes = 512
    /// The longest segment in bytes; a file name in a directory store, with room for a suffix.
    public static let segmentLimitBytes = 200

    /// The name as text.
    public let text: String

    /// Checks a name.
    ///
    /// - Throws: `ObjectStoreError` with code `invalidName`.
    public init(_ text: String) throws(ObjectStoreError) {
        guard Self.isValid(text) else {
            throw ObjectStoreError(
                code: .invalidName,
                message: "not an object name: \(text.prefix(80).debugDescription); "
                    + "segments of a-z, 0-9, '_', '.', '-' joined by '/', at most 512 bytes")
        }
        self.text = text
    }

    /// A name of segments that are valid already.
    init(trusted text: String) {
        self.text = text
    }

    /// The segments between the slashes; at least one.
    public var segments: [Substring] { text.split(separator: "/") }

    /// The text.
    public var description: String { text }

    /// The order of the bytes.
    public static func < (left: ObjectName, right: ObjectName) -> Bool { left.text < right.text }

    private static func isValid(_ text: String) -> Bool {
        let units = text.utf8
        guard !units.isEmpty, units.count <= limitBytes else { return false }
        let segments = units.split(separator: 0x2f, omittingEmptySubsequences: false)
        return segments.allSatisfy { segment in
            guard !segment.isEmpty, segment.count <= segmentLimitBytes,
                !segment.elementsEqual(".".utf8), !segment.elementsEqual("..".utf8),
                !segment.starts(with: temporaryPrefix.utf8)
            else { return false }
            return segment.allSatisfy(isAllowed)
        }
    }

    private static func isAllowed(_ unit: UInt8) -> Bool {
        switch unit {
        case 0x61...0x7a, 0x30...0x39, 0x5f, 0x2e, 0x2d: true
        default: false
        }
    }

    /// How the names of files in the making begin, in a directory store.
    static let temporaryPrefix = ".tmp-"
}

/// Where a listing looks: everywhere, or below one name, as `index/`.
public struct ObjectPrefix: Hashable, Sendable, CustomStringConvertible {
    /// The empty text, or a name with a slash at its end.
    public let text: String

    /// Everything in the store.
    public static let all = ObjectPrefix(trusted: "")

    /// Checks a prefix: empty, or a name followed by `/`.
    ///
    /// - Throws: `ObjectStoreError` with code `invalidName`.
    public init(_ text: String) throws(ObjectStoreError) {
        if !text.isEmpty {
            guard text.hasSuffix("/") else {
                throw ObjectStoreError(
                    code: .invalidName, message: "a prefix ends with '/': \(text.prefix(80))")
            }
            _ = try ObjectName(String(text.dropLast()))
        }
        self.text = text
    }

    private init(trusted text: String) {
        self.text = text
    }

    /// The segments between the slashes; none for everything.
    public var segments: [Substring] { text.split(separator: "/") }

    /// The name of something below this prefix.
    ///
    /// - Throws: `ObjectStoreError` with code `invalidName`.
    public func appending(_ rest: String) throws(ObjectStoreError) -> ObjectName {
        try ObjectName(text + rest)
    }

    /// The text.
    public var description: String { text }
}

/// One object in a listing.
public struct ObjectEntry: Hashable, Sendable {
    /// Its name.
    public let name: ObjectName
    /// Its length in bytes.
    public let bytes: Int64

    /// Describes one object.
    public init(name: ObjectName, bytes: Int64) {
        self.name = name
        self.bytes = bytes
    }
}
