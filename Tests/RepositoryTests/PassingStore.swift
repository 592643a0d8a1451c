import ObjectStore

/// A store of a test that passes everything on to a real one, but for what it defines itself.
protocol PassingStore: ObjectStorage {
    var store: any ObjectStorage { get }
}

extension PassingStore {
    func put(_ name: ObjectName, _ body: ObjectBody) async throws -> Bool {
        try await store.put(name, body)
    }

    func get(_ name: ObjectName, range: Range<Int64>?, limitBytes: Int) async throws -> [UInt8] {
        try await store.get(name, range: range, limitBytes: limitBytes)
    }

    func stream(
        _ name: ObjectName, range: Range<Int64>?, receive: @Sendable ([UInt8]) async throws -> Void
    ) async throws {
        try await store.stream(name, range: range, receive: receive)
    }

    func size(of name: ObjectName) async throws -> Int64 { try await store.size(of: name) }

    func list(_ prefix: ObjectPrefix) async throws -> [ObjectEntry] {
        try await store.list(prefix)
    }

    func delete(_ name: ObjectName) async throws { try await store.delete(name) }
}
