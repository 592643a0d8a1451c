import ObjectStore

/// A repository's store that reads back what it was given before it says that it is stored: not
/// every provider compares what arrived with what was sent, and one altered index or snapshot file
/// keeps everything of a repository from being read.
///
/// Packs are left to whoever writes them: a commit reads their headers and a sample, a check all.
struct ReadBackStore: ObjectStorage {
    /// How often an object is stored until it is what was sent.
    private static let tries = 3

    private let store: any ObjectStorage

    /// - Parameter store: one repository.
    init(_ store: any ObjectStorage) {
        self.store = store
    }

    @discardableResult
    func put(_ name: ObjectName, _ body: ObjectBody) async throws -> Bool {
        guard case .bytes(let bytes) = body.source, name.segments.first != "data" else {
            return try await store.put(name, body)
        }
        for _ in 0..<Self.tries {
            let isNew = try await store.put(name, body)
            // What was there before is ours only where its name is the hash of what it holds.
            guard isNew || name.segments.last.map(String.init) == body.sha256.map(hexadecimal)
            else {
                return false
            }
            if try await holds(name, bytes) { return isNew }
            try await store.delete(name)
        }
        throw ObjectStoreError(
            code: .failed,
            message: "\(name) was stored \(Self.tries) times and read back altered each time; "
                + "the bucket or the way to it alters objects")
    }

    private func holds(_ name: ObjectName, _ bytes: [UInt8]) async throws -> Bool {
        do {
            return try await store.get(name, limitBytes: bytes.count) == bytes
        } catch let error as ObjectStoreError
            where error.code == .notFound || error.code == .limitExceeded
        {
            return false
        }
    }

    func get(
        _ name: ObjectName, range: Range<Int64>?, limitBytes: Int
    ) async throws -> [UInt8] {
        try await store.get(name, range: range, limitBytes: limitBytes)
    }

    func stream(
        _ name: ObjectName, range: Range<Int64>?,
        receive: @Sendable ([UInt8]) async throws -> Void
    ) async throws {
        try await store.stream(name, range: range, receive: receive)
    }

    func size(of name: ObjectName) async throws -> Int64 { try await store.size(of: name) }

    func list(_ prefix: ObjectPrefix) async throws -> [ObjectEntry] {
        try await store.list(prefix)
    }

    func delete(_ name: ObjectName) async throws { try await store.delete(name) }
}
