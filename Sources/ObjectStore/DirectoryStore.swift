import Glibc
public import Platform

/// A bucket that is a directory; laid out as restic's local backend, so that stock restic opens a
/// repository in it by its path.
///
/// An object is written to a temporary file in its own directory, synced, given its name by a
/// rename that never replaces, and the directory synced; new directories are synced into their
/// parents. Directories have mode 0700, objects 0400. What a crash leaves are files named `.tmp-…`,
/// which no listing shows and `sweep` removes.
public struct DirectoryStore: ObjectStorage, UnfinishedUploads {
    /// The path of the bucket's directory.
    public var root: String { tree.root }

    private let tree: DirectoryTree
    private let pool: BlockingPool

    /// A listing is refused beyond so many objects.
    private static let listLimit = 10_000_000
    private static let chunkBytes = 1 << 20

    /// - Parameters:
    ///   - root: the directory's absolute path. It is looked for in every call: a bucket whose disk
    ///     is not mounted fails with `bucketMissing`, and nothing is written beside it.
    ///   - create: makes the directory itself (not those above it) when it is missing.
    ///   - pool: threads for file I/O; default: 8 of its own.
    /// - Throws: `ObjectStoreError`: `bucketMissing`, `denied`, `failed`.
    public init(root: String, create: Bool = false, pool: BlockingPool? = nil) throws {
        tree = DirectoryTree(root: root)
        self.pool = pool ?? BlockingPool(label: "berth.directory-store", width: 8)
        if create, unsafe mkdir(root, 0o700) == 0 {
            do {
                try DurableFile.syncDirectory(of: root)
            } catch let error as PlatformError {
                throw DirectoryTree.translate(error, "the directory above \(root)")
            }
        }
        _ = try tree.openRoot()
    }

    /// See `ObjectStorage.put`.
    @discardableResult
    public func put(_ name: ObjectName, _ body: ObjectBody) async throws -> Bool {
        switch body.source {
        case .bytes(let bytes):
            return try await pool.run { [tree] in
                try Self.place(name, body, in: tree) { try $0.write(bytes) }
            }
        case .pieces(let pieces):
            return try await pool.run { [tree] in
                try Self.place(name, body, in: tree) { object in
                    for piece in pieces { try object.write(piece) }
                }
            }
        case .file(let path):
            return try await pool.run { [tree] in
                try Self.place(name, body, in: tree) { try Self.copyFile(path, into: $0) }
            }
        case .stream(let next):
            let object = try await pool.run { [tree] in
                try ObjectInProgress(name, body, in: tree)
            }
            while case let pieces = try await Self.gather(next), !pieces.isEmpty {
                try Task.checkCancellation()
                try await pool.run { for piece in pieces { try object.write(piece) } }
            }
            return try await pool.run { try object.publish() }
        }
    }

    /// The next pieces of a stream, about 512 KiB: a change of threads for each of them would cost
    /// more than writing it.
    private static func gather(
        _ next: @Sendable () async throws -> [UInt8]?
    ) async throws -> [[UInt8]] {
        var pieces: [[UInt8]] = []
        var bytes = 0
        while bytes < 512 << 10, let piece = try await next() {
            bytes += piece.count
            pieces.append(piece)
        }
        return pieces
    }

    /// See `ObjectStorage.get`.
    public func get(
        _ name: ObjectName, range: Range<Int64>?, limitBytes: Int
    ) async throws -> [UInt8] {
        try await pool.run { [tree] in
            let object = try StoredObject(name, in: tree)
            let range = try object.checked(range)
            guard range.count <= limitBytes else {
                throw ObjectStoreError(
                    code: .limitExceeded,
                    message: "\(name): \(range.count) bytes, more than \(limitBytes)")
            }
            return try object.read(at: range.lowerBound, count: range.count)
        }
    }

    /// See `ObjectStorage.stream`.
    public func stream(
        _ name: ObjectName, range: Range<Int64>?,
        receive: @Sendable ([UInt8]) async throws -> Void
    ) async throws {
        let object = try await pool.run { [tree] in try StoredObject(name, in: tree) }
        let range = try object.checked(range)
        var offset = range.lowerBound
        while offset < range.upperBound {
            try Task.checkCancellation()
            let start = offset
            let count = Int(min(Int64(Self.chunkBytes), range.upperBound - start))
            let chunk = try await pool.run { try object.read(at: start, count: count) }
            try await receive(chunk)
            offset += Int64(count)
        }
    }

    /// See `ObjectStorage.size`.
    public func size(of name: ObjectName) async throws -> Int64 {
        try await pool.run { [tree] in try StoredObject(name, in: tree).bytes }
    }

    /// See `ObjectStorage.list`.
    public func list(_ prefix: ObjectPrefix) async throws -> [ObjectEntry] {
        try await pool.run { [tree] in
            var found: [ObjectEntry] = []
            try DirectoryWalk(tree: tree).visit(prefix) { entry, _, _ in
                guard let name = entry.name else { return }
                guard found.count < Self.listLimit else {
                    throw ObjectStoreError(
                        code: .limitExceeded,
                        message: "more than \(Self.listLimit) objects in \(tree.root)/\(prefix)")
                }
                found.append(ObjectEntry(name: name, bytes: entry.bytes))
            }
            return found.sorted { $0.name < $1.name }
        }
    }

    /// See `ObjectStorage.delete`.
    public func delete(_ name: ObjectName) async throws {
        try await pool.run { [tree] in
            let parent = name.segments.dropLast().joined(separator: "/")
            guard let directory = try tree.open(parent, flags: O_RDONLY | O_DIRECTORY) else {
                return
            }
            let last = String(name.segments.last ?? "")
            do {
                try directory.withNumber { number in
                    try systemCall("delete \(name)") { unsafe unlinkat(number, last, 0) }
                    try systemCall("fsync the directory of \(name)") { fsync(number) }
                }
            } catch let error as PlatformError where error.errno == ENOENT {
                return
            } catch let error as PlatformError {
                throw DirectoryTree.translate(error, name.text)
            }
        }
    }

    /// Removes temporary files that a crash left.
    ///
    /// - Parameter age: only those not written to for so long; longer than any upload takes.
    /// - Returns: how many were removed.
    /// - Throws: `ObjectStoreError`: `bucketMissing`, `denied`, `failed`.
    public func sweep(olderThan age: Duration) async throws -> Int {
        try await pool.run { [tree] in
            var now = timespec()
            unsafe clock_gettime(CLOCK_REALTIME, &now)
            let youngest = Int64(now.tv_sec) - age.components.seconds
            var removed = 0
            try DirectoryWalk(tree: tree).visit(.all) { entry, directory, name in
                guard entry.name == nil, name.starts(with: ObjectName.temporaryPrefix.utf8),
                    entry.modifiedSeconds <= youngest
                else { return }
                let text = name.map { CChar(bitPattern: $0) } + [0]
                if unsafe unlinkat(directory, text, 0) == 0 { removed += 1 }
            }
            return removed
        }
    }

    private static func place(
        _ name: ObjectName, _ body: ObjectBody, in tree: DirectoryTree,
        write: (ObjectInProgress) throws -> Void
    ) throws -> Bool {
        let object = try ObjectInProgress(name, body, in: tree)
        if let bytes = try object.existingBytes() {
            return try object.acknowledgeExisting(bytes)
        }
        try write(object)
        return try object.publish()
    }

    private static func copyFile(_ path: String, into object: ObjectInProgress) throws {
        let source = try SourceFile(path: path)
        while case let piece = try source.next(), !piece.isEmpty { try object.write(piece) }
    }
}
