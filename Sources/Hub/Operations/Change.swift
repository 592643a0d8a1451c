import Platform
import Postgres
import Shared

/// One transaction of the engine: its registry events, and whom to wake when it is committed.
struct Change: Sendable {
    let transaction: PostgresTransaction
    private let author: RegistryWriter.Author
    private var registry: RegistryWriter?
    /// The lanes that got work.
    var lanes: Set<String> = []
    /// How long a bucket may fail before what needs it is parked.
    let bucketPatience: Duration

    init(
        _ transaction: PostgresTransaction, author: RegistryWriter.Author,
        bucketPatience: Duration = OperationSettings().bucketPatience
    ) {
        self.bucketPatience = bucketPatience
        self.transaction = transaction
        self.author = author
    }

    /// Changes the registry.
    ///
    /// - Throws: `RegistryConflict`.
    mutating func record(_ event: RegistryEvent) async throws {
        if registry == nil { registry = try await RegistryWriter(transaction, author: author) }
        try await registry?.record(event)
        for operation in try await CopyWork(transaction).waiting(on: event) {
            try await wake(operation)
        }
    }

    /// Makes a parked operation claimable.
    mutating func wake(_ operation: OperationID) async throws {
        if let lane = try await OperationTransitions(transaction).wake(operation) {
            lanes.insert(lane)
        }
    }

    /// Appends the events; the last thing before the commit.
    mutating func finish() async throws {
        try await registry?.finishAtCommit()
    }
}

/// Runs changes: commits them, then wakes whom they concern.
struct ChangeRunner: Sendable {
    let pool: PostgresPool
    let bell: OperationBell
    /// How long a bucket may fail before what needs it is parked.
    var bucketPatience = OperationSettings().bucketPatience

    /// Runs one change; again from the start after a deadlock.
    func run<Answer: Sendable>(
        author: RegistryWriter.Author = RegistryWriter.Author(actor: "hub"),
        _ body: (inout Change) async throws -> Answer
    ) async throws -> Answer {
        let retry = PostgresRetry(
            attempts: 5, backoff: Backoff(base: .milliseconds(20), cap: .seconds(1)))
        let (answer, lanes) = try await pool.withTransaction(retry: retry) { transaction in
            var change = Change(
                transaction, author: author, bucketPatience: bucketPatience)
            let answer = try await body(&change)
            try await change.finish()
            return (answer, change.lanes)
        }
        bell.ring(lanes)
        return answer
    }
}
