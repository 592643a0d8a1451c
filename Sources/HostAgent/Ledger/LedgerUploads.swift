import FoundationEssentials
import Repository
import SQLite
import Shared

/// A pack as the ledger holds it.
private struct UploadedPack: Codable {
    let id: BlobID
    let bytes: Int64
    /// The plaintext of its header, which lists its blobs.
    let header: Data
}

/// Packs that an operation has stored, so that its next try need not store them again.
extension Ledger {
    /// Notes a pack that is durable in the bucket.
    func recordUpload(_ pack: PackDescription, by operation: OperationID) async throws {
        let text = try JSON.text(
            UploadedPack(id: pack.id, bytes: pack.bytes, header: Data(pack.header)))
        _ = try await database.write { connection in
            try connection.execute(
                """
                insert or ignore into uploads (operation, pack, description)
                values (\(operation.description), \(pack.id.hex), \(text))
                """)
        }
    }

    /// The packs that an operation has stored.
    func uploads(of operation: OperationID) async throws -> [PackDescription] {
        try await database.read { connection in
            try connection.query(
                """
                select description from uploads where operation = \(operation.description)
                order by pack
                """
            ).map { row in
                let text: String = try row.decode("description")
                let pack = try JSON.decode(UploadedPack.self, from: text.utf8)
                return try PackDescription(
                    id: pack.id, bytes: pack.bytes, header: [UInt8](pack.header))
            }
        }
    }

    /// Forgets packs of an operation that are not in the bucket.
    func forgetUploads(_ packs: [String], of operation: OperationID) async throws {
        try await database.write { connection in
            for pack in packs {
                try connection.execute(
                    """
                    delete from uploads
                    where operation = \(operation.description) and pack = \(pack)
                    """)
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
