/// A store below a prefix of another, such as one repository in a bucket.
public struct PrefixedStore: ObjectStorage {
    private let store: any ObjectStorage
    private let prefix: ObjectPrefix

    /// - Parameters:
    ///   - store: the whole bucket.
    ///   - prefix: what every name in it begins with, such as `projects/p1/`.
    public init(_ store: any ObjectStorage, prefix: ObjectPrefix) {
        self.store = store
        self.prefix = prefix
    }

    /// See `ObjectStorage.put`.
    @discardableResult
    public func put(_ name: ObjectName, _ body: ObjectBody) async throws -> Bool {
        try await store.put(prefix.appending(name.text), body)
    }

    /// See `ObjectStorage.get`.
    public func get(
        _ name: ObjectName, range: Range<Int64>?, limitBytes: Int
    ) async throws -> [UInt8] {
        try await store.get(prefix.appending(name.text), range: range, limitBytes: limitBytes)
    }

    /// See `ObjectStorage.stream`.
    public func stream(
        _ name: ObjectName, range: Range<Int64>?,
        receive: @Sendable ([UInt8]) async throws -> Void
    ) async throws {
        try await store.stream(prefix.appending(name.text), range: range, receive: receive)
    }

    /// See `ObjectStorage.size`.
    public func size(of name: ObjectName) async throws -> Int64 {
        try await store.size(of: prefix.appending(name.text))
    }

    /// See `ObjectStorage.list`.
    public func list(_ below: ObjectPrefix) async throws -> [ObjectEntry] {
        try await store.list(ObjectPrefix(prefix.text + below.text)).map { entry in
            ObjectEntry(
                name: try ObjectName(String(entry.name.text.dropFirst(prefix.text.count))),
                bytes: entry.bytes)
        }
    }

    /// See `ObjectStorage.delete`.
    public func delete(_ name: ObjectName) async throws {
        try await store.delete(prefix.appending(name.text))
    }
}
