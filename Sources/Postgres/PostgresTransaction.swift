/// An open transaction, valid until the closure that got it ends.
public struct PostgresTransaction: Sendable {
    private let connection: PostgresConnection
    private let number: Int

    init(connection: PostgresConnection, number: Int) {
        self.connection = connection
        self.number = number
    }

    /// Runs one statement in the transaction.
    ///
    /// - Throws: as `PostgresConnection.query`; after the first server error every further
    ///   statement fails with SQLSTATE 25P02. `.closed` when the transaction has ended.
    @discardableResult
    public func query(_ query: PostgresQuery) async throws -> PostgresResult {
        try await connection.query(query, in: number)
    }

    /// Runs one statement together with the commit, in one exchange with the server, so that what it
    /// locks is not held while anybody waits for an answer; at most one in a transaction.
    ///
    /// What it fails with, the transaction fails with.
    /// - Throws: `.closed` when the transaction has ended, `.invalidParameter` for a second one.
    public func queryAtCommit(_ query: PostgresQuery) async throws {
        try await connection.setLast(query, in: number)
    }

    /// Runs several statements without parameters in the transaction.
    ///
    /// - Throws: as `query`.
    public func execute(script: String) async throws {
        try await connection.execute(script: script, in: number)
    }

    /// Sends a message to whoever listens on `channel`, when the transaction commits.
    ///
    /// - Parameter payload: less than 8 000 bytes; default empty.
    /// - Throws: as `query`.
    public func notify(_ channel: String, payload: String = "") async throws {
        try await query("SELECT pg_notify(\(channel)::text, \(payload)::text)")
    }
}

/// How far a transaction is kept apart from others (PostgreSQL 15, 13.2 Transaction Isolation).
public enum PostgresIsolation: String, Sendable, CaseIterable {
    /// Each statement sees what was committed before it.
    case readCommitted = "READ COMMITTED"
    /// All statements see one state; a concurrent change of the same row fails with 40001.
    case repeatableRead = "REPEATABLE READ"
    /// As if transactions ran one after another; conflicts fail with 40001.
    case serializable = "SERIALIZABLE"
}

extension PostgresConnection {
    /// Runs `body` in a transaction of this connection: committed when it returns, rolled back
    /// when it throws, also when the task is cancelled.
    ///
    /// Nothing else may use the connection meanwhile.
    /// - Parameters:
    ///   - isolation: default read committed.
    ///   - isReadOnly: refuses changes; default false.
    /// - Throws: what `body` throws; `PostgresError` `.outcomeUnknown` when the connection broke
    ///   during COMMIT, `.transactionAborted` when `body` swallowed a statement's error.
    @discardableResult
    nonisolated public func withTransaction<Answer>(
        isolation: PostgresIsolation = .readCommitted, isReadOnly: Bool = false,
        _ body: (PostgresTransaction) async throws -> Answer
    ) async throws -> Answer {
        let access = isReadOnly ? "READ ONLY" : "READ WRITE"
        let number = try await begin("BEGIN ISOLATION LEVEL \(isolation.rawValue) \(access)")
        let answer: Answer
        do {
            answer = try await body(PostgresTransaction(connection: self, number: number))
        } catch {
            await rollback()
            throw error
        }
        try await commit()
        return answer
    }
}
