import SQLite

/// What the ledger has seen of the hub's history, and what a new one changes.
extension Ledger {
    /// The highest fencing number of any lease that was seen here, and of any guard, which is
    /// remembered for longer.
    func highestEpoch() async throws -> Int64 {
        try await database.read { connection in
            try connection.queryFirst(
                """
                select coalesce(max(epoch), 0) as epoch
                from (select epoch from operations union all select epoch from guards)
                """)?.decode("epoch") ?? 0
        }
    }

    /// The last report that the hub has acknowledged.
    func acknowledgedReport() async throws -> Int64 {
        let last = try await lastSequence()
        return try await database.read { connection in
            let row = try connection.queryFirst(
                "select sequence from outbox order by sequence limit 1")
            guard let row else { return last }
            return try row.decode("sequence", as: Int64.self) - 1
        }
    }

    /// Forgets the generations of volumes that are not here: the new history numbers anew, and only
    /// what is here has something to defend (D7).
    func forgetAbsentVolumes() async throws {
        _ = try await database.write { connection in
            try connection.execute("delete from volumes where is_present = 0")
        }
    }
}
