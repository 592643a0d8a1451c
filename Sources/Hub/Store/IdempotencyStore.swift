import Postgres
import Shared

/// The `Idempotency-Key`s of the last 24 hours
/// (draft-ietf-httpapi-idempotency-key-header-06).
struct IdempotencyStore: Sendable {
    let transaction: PostgresTransaction

    init(_ transaction: PostgresTransaction) {
        self.transaction = transaction
    }

    /// Takes a key, waiting for another request that is just using it.
    ///
    /// - Returns: the operation that an earlier request with this key and body made, or nil when
    ///   this is the first.
    /// - Throws: `Problem` 422 when the key was used with another body, 409 when the request that
    ///   took it has left no operation behind.
    func take(_ key: String, actor: String, fingerprint: [UInt8]) async throws -> OperationID? {
        // 1.
        let inserted = try await transaction.query(
            """
            INSERT INTO idempotency_keys (actor, key, fingerprint)
            VALUES (\(actor), \(key), \(fingerprint)) ON CONFLICT DO NOTHING
            """)
        if inserted.affectedRows == 1 { return nil }
        // 2.
        let result = try await transaction.query(
            """
            SELECT fingerprint, operation FROM idempotency_keys
            WHERE actor = \(actor) AND key = \(key)
            """)
        let row = try result.one()
        guard try row.decode("fingerprint", as: [UInt8].self) == fingerprint else {
            throw Problem(
                status: 422, code: "idempotency-key-reused",
                title: "The Idempotency-Key belongs to another request",
                detail: "this key was sent before with another path or body",
                hint: "use a new key for a new request")
        }
        guard let operation = try row.decode("operation", as: OperationID?.self) else {
            throw Problem(
                status: 409, code: "request-in-flight", title: "The request is being worked on",
                detail: "a request with this Idempotency-Key has not been answered yet",
                hint: "wait a second and repeat it")
        }
        return operation
    }

    /// Notes which operation a key made.
    func complete(_ key: String, actor: String, operation: OperationID) async throws {
        // 3.
        try await transaction.query(
            """
            UPDATE idempotency_keys SET operation = \(operation)::uuid
            WHERE actor = \(actor) AND key = \(key)
            """)
    }
}
