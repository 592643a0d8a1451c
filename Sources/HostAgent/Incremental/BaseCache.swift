import Glibc
import ObjectStore
import Platform
import Repository
import SQLite
import Shared

/// What is kept of a project's base, so that a backup reads neither the repository nor the
/// unchanged part of the volume: each directory's tree, by inode; which directory holds a blob; how
/// long chunks are; which files have several names.
///
/// A SQLite file of its own, which may be deleted at any time: then it is built anew. It is believed
/// only as far as it can be checked: trees carry their own hash, other rows a checksum, because
/// SQLite's pages have none; a blob counts as known only when the tree that is said to hold it does;
/// and what is damaged is a `FullScanReason`.
struct BaseCache: Sendable {
    private static let schema = [
        """
        create table header (
            one integer primary key check (one = 1), content text not null, checksum integer not null
        ) strict;
        create table directories (
            inode integer primary key,
            generation integer not null,
            holds_subvolume integer not null,
            tree blob not null,
            content blob not null,
            checksum integer not null
        ) strict;
        create index directories_by_tree on directories (tree);
        create index directories_with_subvolumes on directories (inode) where holds_subvolume = 1;
        -- The first eight bytes of a blob's id: a wrong hit is found out in the tree.
        create table holders (prefix integer primary key, directory integer not null) strict;
        create table lengths (
            chunk blob primary key, length integer not null, checksum integer not null
        ) strict, without rowid;
        create table links (
            inode integer primary key, canonical integer not null, checksum integer not null
        ) strict;
        """
    ]

    private let database: SQLiteDatabase

    /// Opens the file, or begins a new one where it cannot be used.
    static func open(_ path: String) async throws -> BaseCache {
        do {
            return try await BaseCache(path)
        } catch is SQLiteError {
            try remove(path)
            return try await BaseCache(path)
        }
    }

    /// Removes the file with what SQLite keeps beside it.
    static func remove(_ path: String) throws {
        for name in [path, "\(path)-wal", "\(path)-shm"] {
            guard unsafe unlink(name) != 0, errno != ENOENT else { continue }
            throw PlatformError(code: .systemCall, message: "remove \(name)", errno: errno)
        }
    }

    private init(_ path: String) async throws {
        // Losing the last transaction at a power failure shows in the header.
        database = try await SQLiteDatabase.open(
            path, options: SQLiteOptions(synchronous: .normal))
        try await database.migrate(Self.schema)
    }

    private func read<Answer: Sendable>(
        _ body: sending (SQLiteConnection) throws -> sending Answer
    ) async throws -> Answer {
        do {
            return try await database.read(body)
        } catch let error as SQLiteError {
            throw FullScanReason.cacheDamaged("\(error)")
        }
    }

    private func write<Answer: Sendable>(
        _ body: sending (SQLiteConnection) throws -> sending Answer
    ) async throws -> Answer {
        do {
            return try await database.write(body)
        } catch let error as SQLiteError {
            throw FullScanReason.cacheDamaged("\(error)")
        }
    }

    func close() async { await database.close() }

    /// Of which base it is; nil while it is of none.
    func header() async throws -> BaseHeader? {
        let text = try await read { connection in
            try connection.queryFirst("select * from header").map { row in
                let text: String = try row.decode("content")
                try Self.verify(row, [], Array(text.utf8))
                return text
            }
        }
        // One of another version of the program is none.
        return text.flatMap { try? JSON.decode(BaseHeader.self, from: Array($0.utf8)) }
    }

    /// What is kept of a directory.
    func directory(_ inode: UInt64) async throws -> BaseDirectory? {
        try await read { connection in
            try connection.queryFirst(
                "select * from directories where inode = \(Int64(bitPattern: inode))"
            ).map(Self.directory(of:))
        }
    }

    /// A directory of the base whose tree this is.
    func directory(withTree tree: BlobID) async throws -> BaseDirectory? {
        try await read { connection in
            try connection.queryFirst("select * from directories where tree = \(tree.bytes)")
                .map(Self.directory(of:))
        }
    }

    /// The directories behind an inode number, a piece at a time, ascending.
    func directories(after inode: UInt64, limit: Int) async throws -> [BaseDirectory] {
        try await read { connection in
            try connection.query(
                """
                select * from directories where inode > \(Int64(bitPattern: inode))
                order by inode limit \(limit)
                """
            ).map(Self.directory(of:))
        }
    }

    /// The directory that is said to have a file with this blob.
    func holder(of blob: BlobID) async throws -> UInt64? {
        try await read { connection in
            try connection.queryFirst(
                "select directory from holders where prefix = \(Self.prefix(blob))"
            ).map { UInt64(bitPattern: try $0.decode(0, as: Int64.self)) }
        }
    }

    /// The lengths of chunks, or nil where one is not known.
    func lengths(of chunks: [BlobID]) async throws -> [Int64]? {
        try await read { connection in
            var lengths: [Int64] = []
            for chunk in chunks {
                let row = try connection.queryFirst(
                    "select length, checksum from lengths where chunk = \(chunk.bytes)")
                guard let row else { return nil }
                let length: Int64 = try row.decode("length")
                try Self.verify(row, [length], chunk.bytes)
                lengths.append(length)
            }
            return lengths
        }
    }

    /// The directories that have another subvolume as an entry.
    func directoriesWithSubvolumes() async throws -> [UInt64] {
        try await read { connection in
            try connection.query("select inode from directories where holds_subvolume = 1")
                .map { UInt64(bitPattern: try $0.decode(0, as: Int64.self)) }
        }
    }

    /// The canonical number of each file with several names.
    func links() async throws -> [UInt64: UInt64] {
        try await read { connection in
            var links: [UInt64: UInt64] = [:]
            for row in try connection.query("select * from links") {
                let inode: Int64 = try row.decode("inode")
                let canonical: Int64 = try row.decode("canonical")
                try Self.verify(row, [inode, canonical])
                links[UInt64(bitPattern: inode)] = UInt64(bitPattern: canonical)
            }
            return links
        }
    }

    /// Forgets everything.
    func clear() async throws {
        try await write { connection in
            for table in ["header", "directories", "holders", "lengths", "links"] {
                try connection.execute(script: "delete from \(table)")
            }
        }
    }

    /// Puts changes in, and says of which base it is then; nil while there is more to come.
    func apply(_ changes: BaseChanges, header: BaseHeader?) async throws {
        let text = try header.map { try JSON.text($0) }
        // In order, SQLite fills page after page.
        let holders = changes.holders.map { (Self.prefix($0), Int64(bitPattern: $1)) }
            .sorted { $0.0 < $1.0 }
        let lengths = changes.lengths.sorted { $0.key < $1.key }
        try await write { connection in
            try connection.execute("delete from header")
            for inode in changes.removed {
                try connection.execute(
                    "delete from directories where inode = \(Int64(bitPattern: inode))")
            }
            for directory in changes.directories {
                try connection.execute(
                    """
                    insert or replace into directories
                        (inode, generation, holds_subvolume, tree, content, checksum)
                    values (\(Int64(bitPattern: directory.inode)),
                        \(Int64(bitPattern: directory.generation)), \(directory.holdsSubvolume),
                        \(directory.tree.id.bytes), \(directory.tree.stored),
                        \(Self.checksum(directory)))
                    """)
            }
            for (prefix, directory) in holders {
                try connection.execute(
                    "insert or replace into holders values (\(prefix), \(directory))")
            }
            for (chunk, length) in lengths {
                try connection.execute(
                    """
                    insert or replace into lengths
                    values (\(chunk.bytes), \(length), \(Self.checksum([length], chunk.bytes)))
                    """)
            }
            for (inode, canonical) in changes.links {
                let number = Int64(bitPattern: inode)
                if let canonical {
                    let other = Int64(bitPattern: canonical)
                    try connection.execute(
                        """
                        insert or replace into links
                        values (\(number), \(other), \(Self.checksum([number, other])))
                        """)
                } else {
                    try connection.execute("delete from links where inode = \(number)")
                }
            }
            if let text {
                let checksum = Self.checksum([], Array(text.utf8))
                try connection.execute("insert into header values (1, \(text), \(checksum))")
            }
        }
    }

    private static func prefix(_ blob: BlobID) -> Int64 {
        Int64(bitPattern: blob.bytes.prefix(8).reduce(0) { $0 << 8 | UInt64($1) })
    }

    private static func directory(of row: SQLiteRow) throws -> BaseDirectory {
        guard let tree = BlobID(bytes: try row.decode("tree", as: [UInt8].self)) else {
            throw SQLiteError(code: .decoding, message: "a tree's id that is none")
        }
        let directory = BaseDirectory(
            inode: UInt64(bitPattern: try row.decode("inode", as: Int64.self)),
            generation: UInt64(bitPattern: try row.decode("generation", as: Int64.self)),
            tree: SealedTree(id: tree, stored: try row.decode("content")),
            holdsSubvolume: try row.decode("holds_subvolume"))
        guard try row.decode("checksum", as: Int64.self) == checksum(directory) else {
            throw wrong
        }
        return directory
    }

    private static let wrong = SQLiteError(code: .decoding, message: "a row whose checksum differs")

    private static func verify(
        _ row: SQLiteRow, _ numbers: [Int64], _ bytes: [UInt8] = []
    ) throws {
        guard try row.decode("checksum", as: Int64.self) == checksum(numbers, bytes) else {
            throw wrong
        }
    }

    private static func checksum(_ directory: BaseDirectory) -> Int64 {
        checksum(
            [
                Int64(bitPattern: directory.inode), Int64(bitPattern: directory.generation),
                directory.holdsSubvolume ? 1 : 0,
            ], directory.tree.id.bytes)
    }

    /// The first eight bytes of the SHA-256 of all that a row says.
    private static func checksum(_ numbers: [Int64], _ bytes: [UInt8] = []) -> Int64 {
        var text = bytes
        for number in numbers {
            text += (0..<8).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) }
        }
        return Digest.sha256(text).prefix(8).reduce(0) { $0 << 8 | Int64($1) }
    }
}
