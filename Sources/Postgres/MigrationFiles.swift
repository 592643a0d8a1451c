import Glibc
import Platform

/// The files of a migrations directory.
enum MigrationFiles {
    /// The largest migration that is read.
    static let limitBytes = 4 << 20

    /// Splits `0001_name.sql`; nil for other names.
    static func parse(_ file: String) -> (number: Int, name: String)? {
        guard file.hasSuffix(".sql") else { return nil }
        let parts = file.dropLast(4).split(separator: "_", maxSplits: 1)
        guard parts.count == 2, parts[0].count == 4, let number = Int(parts[0]), number >= 1 else {
            return nil
        }
        return (number, String(parts[1]))
    }

    /// The names of the files in a directory, sorted.
    ///
    /// - Throws: `PlatformError` with the error number.
    static func names(in directory: String) throws -> [String] {
        let opened = try Descriptor(opening: directory, flags: O_RDONLY | O_DIRECTORY)
        return try directoryEntries(of: opened).map { String(decoding: $0, as: UTF8.self) }
            .sorted()
    }

    /// A file's text.
    ///
    /// - Throws: `PlatformError`; `PostgresError` `.migration` when it is not UTF-8.
    static func read(_ path: String) throws -> String {
        let bytes = try DurableFile.read(path, limitBytes: limitBytes)
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw PostgresError(code: .migration, message: "\(path) is not UTF-8")
        }
        return text
    }
}
