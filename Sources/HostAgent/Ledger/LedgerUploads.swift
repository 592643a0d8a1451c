import SQLite
import Shared

/// Packs that an operation has stored, so that its next try need not store them again.
extension Ledger {
    /// Notes a pack that is durable in the bucket.
    func recordUpload(_ pack: CommitPack, by operation: OperationID) async throws {
        let text = try JSON.text(pack)
        _ = try await database.write { connection in
            try connection.execute(
                """
                insert or ignore into uploads (operation, pack, description)
                values (\(operation.description), \(pack.id), \(text))
                """)
        }
    }

    /// The packs that an operation has stored.
    func uploads(of operation: OperationID) async throws -> [CommitPack] {
        try await database.read { connection in
            try connection.query(
                """
                select description from uploads where operation = \(operation.description)
                order by pack
                """
            ).map { row in
                let text: String = try row.decode("description")
                return try JSON.decode(CommitPack.self, from: Array(text.utf8))
            }
        }
    }

    /// Forgets the packs of an operation that will not go on.
    func forgetUploads(_ operation: OperationID) async throws {
        _ = try await database.write { connection in
            try connection.execute(
                "delete from uploads where operation = \(operation.description)")
        }
    }
}
