import CToml
import Glibc

/// A configuration in TOML 1.0 whose every complaint names the file, the line and the column.
///
/// A reader asks for the keys that it knows and calls `refuseUnknown` at the end, so that a
/// misspelt key is an error and not a silent default.
public struct ConfigurationFile: Sendable {
    struct Entry: Sendable {
        let path: [String]
        let kind: Character
        let text: String
        let line: Int
        let column: Int
    }

    private let name: String
    private let entries: [Entry]
    private var known: Set<[String]> = []

    /// Parses a document.
    ///
    /// - Parameters:
    ///   - text: at most 1 MiB.
    ///   - name: the file's path, for messages.
    /// - Throws: `ConfigurationError` with the place of a syntax error.
    public init(text: String, name: String) throws {
        guard text.utf8.count <= 1 << 20 else {
            throw ConfigurationError(name: name, message: "is larger than 1 MiB")
        }
        self.name = name
        entries = try Self.parse(text, name: name)
    }

    /// Reads a file; one that does not exist is an empty document.
    ///
    /// - Throws: `ConfigurationError`, or `PlatformError` when it cannot be read.
    public static func load(path: String) throws -> ConfigurationFile {
        guard unsafe access(path, F_OK) == 0 else {
            return try ConfigurationFile(text: "", name: path)
        }
        let bytes = try DurableFile.read(path, limitBytes: 1 << 20)
        return try ConfigurationFile(text: String(decoding: bytes, as: UTF8.self), name: path)
    }

    /// A string, or nil where the key is absent.
    public mutating func string(_ path: String...) throws -> String? {
        try entry(path, kind: "s", "a string in quotes")?.text
    }

    /// A boolean, or nil where the key is absent.
    public mutating func bool(_ path: String...) throws -> Bool? {
        try entry(path, kind: "b", "true or false").map { $0.text == "true" }
    }

    /// A whole number within `range`, or nil where the key is absent.
    public mutating func integer(
        _ path: String..., in range: ClosedRange<Int64>
    ) throws -> Int64? {
        guard let entry = try entry(path, kind: "i", "a whole number") else { return nil }
        guard let value = Int64(entry.text), range.contains(value) else {
            throw complaint(
                entry, "must be from \(range.lowerBound) to \(range.upperBound)")
        }
        return value
    }

    /// A duration such as `"500ms"`, `"30s"`, `"15m"` or `"24h"` within `range`, or nil where the
    /// key is absent.
    public mutating func duration(
        _ path: String..., in range: ClosedRange<Duration>
    ) throws -> Duration? {
        let form = "a duration in quotes such as \"500ms\", \"30s\", \"15m\" or \"24h\""
        guard let entry = try entry(path, kind: "s", form) else { return nil }
        let units: [(String, Duration)] = [
            ("ms", .milliseconds(1)), ("s", .seconds(1)), ("m", .seconds(60)),
            ("h", .seconds(3600)),
        ]
        for (suffix, unit) in units where entry.text.hasSuffix(suffix) {
            guard let count = UInt32(entry.text.dropLast(suffix.count)) else { break }
            let value = unit * Double(count)
            guard range.contains(value) else {
                throw complaint(
                    entry, "must be from \(range.lowerBound) to \(range.upperBound)")
            }
            return value
        }
        throw complaint(entry, "must be \(form)")
    }

    /// A list of strings, or nil where the key is absent.
    public mutating func strings(_ path: String...) throws -> [String]? {
        guard try entry(path, kind: "a", "a list of strings") != nil else { return nil }
        let elements = entries.filter {
            $0.path.count == path.count + 1 && $0.path.starts(with: path)
        }
        for element in elements {
            known.insert(element.path)
            if element.kind != "s" { throw complaint(element, "must be a string in quotes") }
        }
        return elements.map(\.text)
    }

    /// Makes a complaint about a key of the document, with its place.
    public func complaint(about path: String..., message: String) -> ConfigurationError {
        guard let entry = entries.first(where: { $0.path == path }) else {
            return ConfigurationError(
                name: name, message: "\(path.joined(separator: ".")) \(message)")
        }
        return complaint(entry, message)
    }

    /// Refuses every key that nobody asked for.
    ///
    /// - Throws: `ConfigurationError` that names the key and the known one that is nearest.
    public func refuseUnknown() throws {
        for entry in entries where entry.kind != "t" && !known.contains(entry.path) {
            let key = entry.path.joined(separator: ".")
            let nearest = known.map { $0.joined(separator: ".") }
                .map { (name: $0, distance: editDistance($0, key)) }
                .min { ($0.distance, $0.name) < ($1.distance, $1.name) }
            let advice =
                nearest.flatMap { $0.distance <= 3 ? "; did you mean \($0.name)?" : nil } ?? ""
            throw ConfigurationError(
                name: name, line: entry.line, column: entry.column,
                message: "\(key) is not a known key\(advice)")
        }
    }

    private mutating func entry(
        _ path: [String], kind: Character, _ form: String
    ) throws -> Entry? {
        known.insert(path)
        guard let entry = entries.first(where: { $0.path == path }) else { return nil }
        guard entry.kind == kind else { throw complaint(entry, "must be \(form)") }
        return entry
    }

    private func complaint(_ entry: Entry, _ message: String) -> ConfigurationError {
        ConfigurationError(
            name: name, line: entry.line, column: entry.column,
            message: "\(entry.path.joined(separator: ".")) \(message)")
    }

    private static func parse(_ text: String, name: String) throws -> [Entry] {
        var entries: [Entry] = []
        var message: UnsafeMutablePointer<CChar>?
        var line: Int32 = 0
        var column: Int32 = 0
        let isParsed = unsafe withUnsafeMutablePointer(to: &entries) { list in
            unsafe berth_toml_parse(
                text, text.utf8.count,
                { context, path, kind, text, line, column in
                    guard let list = unsafe context?.assumingMemoryBound(to: [Entry].self),
                        let path = unsafe path, let text = unsafe text
                    else { return }
                    let keys = unsafe String(cString: path).split(separator: "\u{1F}")
                    unsafe list.pointee.append(
                        Entry(
                            path: keys.map(String.init),
                            kind: Character(UnicodeScalar(UInt8(bitPattern: kind))),
                            text: String(cString: text), line: Int(line), column: Int(column)))
                }, list, &message, &line, &column)
        }
        guard isParsed == 0 else { return entries }
        let reason = unsafe message.map { unsafe String(cString: $0) } ?? "cannot be read"
        unsafe free(message)
        throw ConfigurationError(
            name: name, line: Int(line), column: Int(column), message: reason)
    }
}

/// What is wrong with a configuration, and where.
public struct ConfigurationError: Error, Sendable, CustomStringConvertible {
    /// `file:line:column: what is wrong`.
    public let description: String

    init(name: String, line: Int = 0, column: Int = 0, message: String) {
        description = line == 0 ? "\(name): \(message)" : "\(name):\(line):\(column): \(message)"
    }
}

/// How many letters have to be changed, added or removed to turn one word into the other
/// (Levenshtein).
public func editDistance(_ left: String, _ right: String) -> Int {
    let target = Array(right)
    var row = Array(0...target.count)
    for (index, letter) in left.enumerated() {
        var diagonal = row[0]
        row[0] = index + 1
        for column in 0..<target.count {
            let above = row[column + 1]
            let changed = diagonal + (letter == target[column] ? 0 : 1)
            row[column + 1] = min(above + 1, row[column] + 1, changed)
            diagonal = above
        }
    }
    return row[target.count]
}
