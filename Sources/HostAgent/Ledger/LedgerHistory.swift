import SQLite
import Shared

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

    /// The newest entry of the hub's log that was told here and kept.
    func logHead() async throws -> LogHead? {
        try await database.read { connection in
            try connection.queryFirst("select head from hub_log").map { row in
                try JSON.decode(
                    LogHead.self, from: Array(try row.decode("head", as: String.self).utf8))
            }
        }
    }

    /// Keeps what was told last of the hub's log.
    func remember(_ head: LogHead) async throws {
        let text = try JSON.text(head)
        _ = try await database.write { connection in
            try connection.execute("insert or replace into hub_log (one, head) values (1, \(text))")
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
