import Postgres

/// Where a statement can be run: in a transaction, or by itself as one of its own.
protocol PostgresStatements: Sendable {
    @discardableResult
    func query(_ query: PostgresQuery) async throws -> PostgresResult
}

extension PostgresTransaction: PostgresStatements {}
extension PostgresPool: PostgresStatements {}
