import Platform
import SQLite
import Shared

/// Operations: what was accepted, how it ended, what an interrupted one goes on from.
extension Ledger {
    /// Decides about an operation and notes its lease, in one transaction (D7).
    func accept(
        _ operation: LeasedOperation, volume: VolumeReference?
    ) async throws -> Acceptance {
        try await database.write { connection in
            let known = try Self.known(operation.id, connection)
            let record = try volume.flatMap { try Self.volume($0.project, connection) }
            let highest = try volume.map { try Self.guardEpoch($0.project, connection) } ?? 0
            let acceptance = Acceptance.decide(
                operation, volume: volume, known: known, record: record, guardEpoch: highest)
            guard acceptance != .stale else { return acceptance }
            let id = operation.id.description
            let time = UTCTime.now().millisecondsSinceEpoch
            try connection.execute(
                """
                insert into operations (id, kind, project, epoch, accepted_at)
                values (\(id), \(operation.kind.rawValue), \(volume?.project.description),
                    \(operation.epoch), \(time))
                on conflict (id) do update set epoch = excluded.epoch, is_settled = 0
                """)
            let seen = operation.kind.raisesGuard ? operation.epoch : operation.guardEpoch
            if let volume, let seen {
                try connection.execute(
                    """
                    insert into guards (project, epoch)
                    values (\(volume.project.description), \(seen))
                    on conflict (project) do update set epoch = max(epoch, excluded.epoch)
                    """)
            }
            return acceptance
        }
    }

    /// Stores an outcome and its report: one transaction, the commit point of every operation here.
    ///
    /// What a further try can go on from stays until there is none.
    func finish(_ outcome: OperationOutcome, project: ProjectID?) async throws {
        let text = try JSON.text(outcome)
        let id = outcome.operation.description
        try await database.write { connection in
            let changed = try connection.execute(
                """
                update operations set outcome = \(text), is_settled = \(outcome.isFinal),
                    journal = case when \(outcome.isFinal) then null else journal end
                where id = \(id) and epoch = \(outcome.epoch)
                """)
            // A higher lease was accepted meanwhile: this outcome is not the one that counts.
            guard changed == 1 else { return }
            if outcome.isFinal {
                try connection.execute("delete from uploads where operation = \(id)")
            }
            try Self.append(.operationFinished(outcome), connection)
        }
        outbox.ring()
    }

    /// What an operation goes on from; nil when it starts anew.
    func journal(_ operation: OperationID) async throws -> OperationJournal? {
        try await database.read { connection in
            let text = try connection.queryFirst(
                "select journal from operations where id = \(operation.description)")?
                .decode("journal", as: String?.self)
            return try text.flatMap { $0 }
                .map { try JSON.decode(OperationJournal.self, from: Array($0.utf8)) }
        }
    }

    /// Stores what an operation goes on from.
    func setJournal(_ operation: OperationID, _ journal: OperationJournal?) async throws {
        let text = try journal.map { try JSON.text($0) }
        _ = try await database.write { connection in
            try connection.execute(
                """
                update operations set journal = \(text) where id = \(operation.description)
                """)
        }
    }

    /// The operations, oldest first, that may be gone on with here, each with its project.
    ///
    /// - Parameter limit: how many at most.
    func openOperations(limit: Int = .max) async throws -> [(OperationID, ProjectID?)] {
        try await database.read { connection in
            try connection.query(
                """
                select id, project from operations where is_settled = 0
                order by accepted_at limit \(limit)
                """
            ).compactMap { row in
                let project = try row.decode("project", as: String?.self)
                return OperationID(try row.decode("id", as: String.self)).map {
                    ($0, project.flatMap { ProjectID($0) })
                }
            }
        }
    }

    /// Notes that nobody goes on with an operation.
    func settle(_ operation: OperationID) async throws {
        _ = try await database.write { connection in
            try connection.execute(
                """
                update operations set is_settled = 1, journal = null
                where id = \(operation.description)
                """)
        }
    }

    private static func guardEpoch(
        _ project: ProjectID, _ connection: SQLiteConnection
    ) throws -> Int64 {
        try connection.queryFirst(
            "select epoch from guards where project = \(project.description)")?
            .decode("epoch") ?? 0
    }

    /// Forgets operations that ended long ago; a lease of them cannot come any more.
    func forgetOperations(acceptedBefore time: Timestamp) async throws {
        _ = try await database.write { connection in
            try connection.execute(
                """
                delete from operations
                where accepted_at < \(time.milliseconds) and journal is null
                """)
        }
    }

    private static func known(
        _ operation: OperationID, _ connection: SQLiteConnection
    ) throws -> Acceptance.Known? {
        let row = try connection.queryFirst(
            "select epoch, outcome from operations where id = \(operation.description)")
        return try row.map { row in
            let outcome: String? = try row.decode("outcome")
            return Acceptance.Known(
                epoch: try row.decode("epoch"),
                outcome: try outcome.map {
                    try JSON.decode(OperationOutcome.self, from: Array($0.utf8))
                })
        }
    }
}
