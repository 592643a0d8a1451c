/// A store of named, immutable objects: a directory, an S3 bucket, or what a hub grants to a host.
///
/// Every store keeps the same promises, and one contract suite holds all of them to these:
/// an object appears whole and durable or not at all; nothing is ever replaced; what is listed can
/// be read. All errors are `ObjectStoreError`, except those that a caller's own closure throws.
public protocol ObjectStorage: Sendable {
    /// Publishes a new object, durably.
    ///
    /// An object with this name and this length already there is a success (names of a repository
    /// are hashes of the content), so that a repetition after a lost answer is harmless.
    /// - Returns: whether this call created the object.
    /// - Throws: `alreadyExists` when the object there has another length, `digest` when the body
    ///   is not as long as announced or not of the announced SHA-256, `full`, `denied`,
    ///   `leaseLost`, `bucketMissing`, `unavailable`, `failed`.
    @discardableResult
    func put(_ name: ObjectName, _ body: ObjectBody) async throws -> Bool

    /// Reads an object, or a range of it, into memory.
    ///
    /// - Parameters:
    ///   - name: the object.
    ///   - range: offsets in bytes; nil for the whole object.
    ///   - limitBytes: the most bytes the caller wants to hold; more is `limitExceeded`.
    /// - Returns: exactly the bytes of the range, or of the object.
    /// - Throws: `notFound`, `outOfRange` when the range is not wholly inside the object,
    ///   `limitExceeded`, `denied`, `bucketMissing`, `unavailable`, `failed`.
    func get(_ name: ObjectName, range: Range<Int64>?, limitBytes: Int) async throws -> [UInt8]

    /// Reads an object, or a range of it, in chunks of at most 1 MiB, waiting for `receive`.
    ///
    /// - Throws: as `get`, and what `receive` throws.
    func stream(
        _ name: ObjectName, range: Range<Int64>?,
        receive: @Sendable ([UInt8]) async throws -> Void
    ) async throws

    /// The length of an object in bytes.
    ///
    /// - Throws: `notFound`, `denied`, `bucketMissing`, `unavailable`, `failed`.
    func size(of name: ObjectName) async throws -> Int64

    /// All objects below a prefix, in the order of their names; none is not an error.
    ///
    /// - Throws: `denied`, `bucketMissing`, `unavailable`, `limitExceeded`, `failed`.
    func list(_ prefix: ObjectPrefix) async throws -> [ObjectEntry]

    /// Removes an object; one that is not there is a success.
    ///
    /// - Throws: `notAllowed` from a store that does not delete; `denied`, `bucketMissing`,
    ///   `unavailable`, `failed`.
    func delete(_ name: ObjectName) async throws
}

extension ObjectStorage {
    /// Reads a whole object of at most `limitBytes`.
    public func get(_ name: ObjectName, limitBytes: Int) async throws -> [UInt8] {
        try await get(name, range: nil, limitBytes: limitBytes)
    }

    /// Whether there is an object of this name.
    public func exists(_ name: ObjectName) async throws -> Bool {
        do {
            _ = try await size(of: name)
            return true
        } catch let error as ObjectStoreError where error.code == .notFound {
            return false
        }
    }
}

/// A store that keeps what uploads leave that were never ended, until it is swept.
public protocol UnfinishedUploads: Sendable {
    /// Removes what uploads left that were begun so long ago and never ended.
    ///
    /// - Parameter age: longer than any upload takes.
    /// - Returns: how many there were.
    /// - Throws: `ObjectStoreError`.
    func sweep(olderThan age: Duration) async throws -> Int
}
