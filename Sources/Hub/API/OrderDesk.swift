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
        let (made, earlier) = try await pool.withTransaction {
            transaction -> ((CreatedOperation, OperationOrder)?, IdempotencyStore.Earlier?) in
            let keys = IdempotencyStore(transaction)
            if let key,
                let earlier = try await keys.take(
                    key, actor: author.actor, fingerprint: fingerprint)
            {
                return (nil, earlier)
            }
            let order = try await make(transaction)
            let created = try await operations.create(order, by: author, in: transaction)
            if let key {
                try await keys.complete(
                    key, actor: author.actor, operation: created.operation.id)
            }
            return ((created, order), nil)
        }
        if let (created, order) = made {
            operations.announce(order)
            return created
        }
        guard case .operation(let earlier) = earlier,
            let operation = try await operations.describe(earlier)
        else { throw Problem.notFound("the operation of this Idempotency-Key is gone") }
        return CreatedOperation(operation: operation, isReplay: true)
    }
}
