import Glibc
import HTTP
import Platform
import Postgres
import Shared

/// `berth-hub init`: makes a new hub in a data directory.
///
/// Doing it again completes what is missing and changes nothing that is there.
struct HubSetup: Sendable {
    let configuration: Configuration
    let directory: HubDirectory
    let identifiers: Identifiers

    /// What `init` tells the operator.
    struct Outcome: Sendable {
        let timeline: TimelineID
        /// The file with the first admin token, where one was made.
        let tokenFile: String?
    }

    /// Makes what is missing: cluster, schema, master key, CA, bucket, first admin token.
    ///
    /// - Throws: `HubError`.
    func run() async throws -> Outcome {
        let database = try Database(configuration, directory: directory)
        try await database.open(mayInitialize: true)
        do {
            let outcome = try await setUp(database)
            try await database.cluster?.stop()
            return outcome
        } catch {
            // The first failure is the one to tell; the cluster is stopped all the same.
            try? await database.cluster?.stop()
            throw error
        }
    }

    private func setUp(_ database: Database) async throws -> Outcome {
        let pool = PostgresPool(database.options)
        let timeline = try await history(pool)
        let authority = try Authority.loadOrMake(directory)
        try await bucket(pool)
        let file = try await firstToken(pool, authority: authority)
        await pool.close()
        return Outcome(timeline: timeline, tokenFile: file)
    }

    /// The history's identity and the master key that fits it; the key is minted only into an
    /// empty database.
    private func history(_ pool: PostgresPool) async throws -> TimelineID {
        let known = try await pool.withTransaction { transaction in
            try await HubRowStore(transaction).row()
        }
        if let known {
            let keyring = try Keyring.load(path: configuration.masterKeyFile)
            try KeyringCheck.verify(
                known.keyringCheck, keyring: keyring, timeline: known.timeline)
            return known.timeline
        }
        let exists = unsafe access(configuration.masterKeyFile, F_OK) == 0
        let keyring =
            exists
            ? try Keyring.load(path: configuration.masterKeyFile)
            : try Keyring.mint(path: configuration.masterKeyFile)
        let timeline = identifiers.make(TimelineIdentity.self)
        let check = try KeyringCheck.make(keyring, timeline: timeline)
        try await pool.withTransaction { transaction in
            try await HubRowStore(transaction).insert(timeline: timeline, keyringCheck: check)
        }
        return timeline
    }

    private func bucket(_ pool: PostgresPool) async throws {
        if unsafe mkdir(directory.bucket, 0o700) != 0, errno != EEXIST {
            throw HubError(
                .bucket,
                "the bucket directory \(directory.bucket) cannot be made: "
                    + describe(errno: errno))
        }
        let path = directory.bucket
        let id = identifiers.make(BucketIdentity.self)
        try await pool.withTransaction { transaction in
            guard try await BucketStore(transaction).buckets().isEmpty else { return }
            var writer = try await RegistryWriter(
                transaction, author: RegistryWriter.Author(actor: "berth-hub init"))
            try await writer.record(
                .bucketCreated(
                    BucketCreated(
                        bucket: id, name: "local", kind: "directory", region: "default",
                        settings: .object(["path": .string(path)]), grantMode: .gateway,
                        isDefault: true)))
            try await writer.finish()
        }
    }

    /// The first admin token, for a hub that nobody can log in to yet; its file is 0600 and holds
    /// the hub's address and the CA's fingerprint too.
    private func firstToken(
        _ pool: PostgresPool, authority: Authority
    ) async throws -> String? {
        let token = BearerToken(new: .bootstrap)
        let id = identifiers.make(TokenIdentity.self)
        let isNeeded = try await pool.withTransaction { transaction -> Bool in
            let tokens = TokenStore(transaction)
            guard try await !tokens.hasAdmin() else { return false }
            try await tokens.revokeBootstraps()
            try await tokens.insert(
                id: id, kind: .bootstrap, hash: token.hash, name: "first admin", host: nil,
                lifetimeSeconds: nil)
            return true
        }
        guard isNeeded else { return nil }
        let written = try JoinToken(
            hubs: configuration.publicAddresses, fingerprint: authority.fingerprint,
            secret: token.text
        ).written()
        try DurableFile.write(
            Array((written + "\n").utf8), to: directory.firstToken, mode: 0o600)
        return directory.firstToken
    }
}
