import Postgres
import Shared

/// The `Idempotency-Key`s of the last 24 hours
/// (draft-ietf-httpapi-idempotency-key-header-06).
struct IdempotencyStore: Sendable {
    let transaction: PostgresTransaction

    init(_ transaction: PostgresTransaction) {
        self.transaction = transaction
    }

    /// What an earlier request with the same key and body came to.
    enum Earlier: Sendable {
        /// It made this operation.
        case operation(OperationID)
        /// It was answered with this document.
        case answer(JSONValue)
    }

    /// Takes a key.
    ///
    /// - Returns: what the earlier request with this key and body came to, or nil when this is the
    ///   first.
    /// - Throws: `Problem` 422 when the key was used with another body, 409 while another request
    ///   is just using it.
    func take(_ key: String, actor: String, fingerprint: [UInt8]) async throws -> Earlier? {
        // 5. Held until the transaction ends: nobody waits with a connection for another's request.
        let free = try await transaction.query(
            """
            SELECT pg_try_advisory_xact_lock(
                hashtextextended(\(key), hashtextextended(\(actor), 0))) AS is_free
            """)
        guard try free.one().decode("is_free", as: Bool.self) else { throw Self.inFlight }
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
            SELECT fingerprint, operation, answer FROM idempotency_keys
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
        if let operation = try row.decode("operation", as: OperationID?.self) {
            return .operation(operation)
        }
        if let answer = try row.decode("answer", as: JSONColumn<JSONValue>?.self) {
            return .answer(answer.value)
        }
        throw Self.inFlight
    }

    private static var inFlight: Problem {
        Problem(
            status: 409, code: "request-in-flight", title: "The request is being worked on",
            detail: "a request with this Idempotency-Key has not been answered yet",
            hint: "wait a second and repeat it")
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

    /// Notes what a request with this key was answered.
    func complete(_ key: String, actor: String, answer: some Encodable) async throws {
        let document = try JSONColumn(JSON.value(answer))
        // 4.
        try await transaction.query(
            """
            UPDATE idempotency_keys SET answer = \(document)::jsonb
            WHERE actor = \(actor) AND key = \(key)
            """)
    }
}
