import HTTP
import Postgres
import Shared

/// Where requests become operations: resolves what they name, honours the Idempotency-Key, and
/// creates the operation, all in one transaction.
struct OrderDesk: Sendable {
    let pool: PostgresPool
    let operations: OperationService

    /// Creates the operation that `make` names, or answers the one that the same key, or the same
    /// live work, stands for.
    func place(
        _ context: RequestContext, body: [UInt8],
        _ make: @Sendable (PostgresTransaction) async throws -> OperationOrder
    ) async throws -> HTTPResponse {
        let placed = try await place(
            key: try context.idempotencyKey(), fingerprint: context.fingerprint(of: body),
            by: context.author, make)
        return try .accepted(placed.operation, isReplay: placed.isReplay)
    }

    /// The same for an author; a request whose answer was lost is repeated under its key.
    ///
    /// - Parameters:
    ///   - key: the `Idempotency-Key`, nil for a request that may come only once.
    ///   - fingerprint: what tells another request under the same key from this one.
    func place(
        key: String?, fingerprint: [UInt8], by author: RegistryWriter.Author,
        _ make: @Sendable (PostgresTransaction) async throws -> OperationOrder
    ) async throws -> CreatedOperation {
        let created = try await pool.withTransaction {
            transaction -> (CreatedOperation?, IdempotencyStore.Earlier?) in
            let keys = IdempotencyStore(transaction)
            if let key,
                let earlier = try await keys.take(
                    key, actor: author.actor, fingerprint: fingerprint)
            {
                return (nil, earlier)
            }
            let created = try await operations.create(
                try await make(transaction), by: author, in: transaction)
            if let key {
                try await keys.complete(
                    key, actor: author.actor, operation: created.operation.id)
            }
            return (created, nil)
        }
        operations.announce()
        if let fresh = created.0 { return fresh }
        guard case .operation(let earlier) = created.1,
            let operation = try await operations.describe(earlier)
        else { throw Problem.notFound("the operation of this Idempotency-Key is gone") }
        return CreatedOperation(operation: operation, isReplay: true)
    }
}
