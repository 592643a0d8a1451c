import Postgres
import Shared

/// The sealed secrets' rows.
struct SecretStore: Sendable {
    let transaction: PostgresTransaction

    init(_ transaction: PostgresTransaction) {
        self.transaction = transaction
    }

    /// What a secret is.
    enum Kind: String, Sendable {
        /// The password of a repository's key file.
        case repositoryPassword = "repository-password"
        /// A repository's own key, so that no scrypt stands before every commit.
        case repositoryKey = "repository-key"
        /// A bucket's credentials.
        case bucket
    }

    /// Seals a secret and stores it.
    func insert<Owner>(
        _ plaintext: [UInt8], kind: Kind, id: Identifier<Owner>, keyring: Keyring
    ) async throws {
        let sealed = try keyring.seal(plaintext, kind: kind.rawValue, id: id.uuid)
        // 1.
        try await transaction.query(
            """
            INSERT INTO secrets (kind, id, key_id, sealed)
            VALUES (\(kind.rawValue), \(id), \(keyring.currentKeyID), \(sealed))
            """)
    }

    /// Seals a secret in the place of the one that was there.
    func replace<Owner>(
        _ plaintext: [UInt8], kind: Kind, id: Identifier<Owner>, keyring: Keyring
    ) async throws {
        try await remove(kind: kind, id: id)
        try await insert(plaintext, kind: kind, id: id, keyring: keyring)
    }

    /// Removes a secret; none is a success.
    func remove<Owner>(kind: Kind, id: Identifier<Owner>) async throws {
        // 3.
        try await transaction.query(
            "DELETE FROM secrets WHERE kind = \(kind.rawValue) AND id = \(id)")
    }

    /// Whether there is such a secret.
    func exists<Owner>(kind: Kind, id: Identifier<Owner>) async throws -> Bool {
        // 4.
        try await transaction.query(
            """
            SELECT EXISTS (SELECT FROM secrets WHERE kind = \(kind.rawValue) AND id = \(id))
                AS exists
            """
        ).one().decode("exists")
    }

    /// Opens a secret.
    ///
    /// - Throws: `HubError` `.secret` when it is missing or does not open.
    func open<Owner>(
        kind: Kind, id: Identifier<Owner>, keyring: Keyring
    ) async throws -> [UInt8] {
        guard let secret = try await find(kind: kind, id: id, keyring: keyring) else {
            throw HubError(.secret, "the secret \(kind.rawValue) of \(id) is missing")
        }
        return secret
    }

    /// Opens a secret that may be there.
    ///
    /// - Throws: `HubError` `.secret` when it does not open.
    func find<Owner>(
        kind: Kind, id: Identifier<Owner>, keyring: Keyring
    ) async throws -> [UInt8]? {
        // 2.
        let result = try await transaction.query(
            "SELECT key_id, sealed FROM secrets WHERE kind = \(kind.rawValue) AND id = \(id)")
        guard let row = result.first else { return nil }
        return try keyring.open(
            try row.decode("sealed"), kind: kind.rawValue, id: id.uuid,
            keyID: try row.decode("key_id"))
    }
}
