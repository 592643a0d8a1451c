import ObjectStore
import Platform
import Postgres
import Repository
import Shared

/// Makes a repository with another key beside a project's own, and removes the old one when it is
/// not used any more.
struct RepositoryReplacement: Sendable {
    let vault: RepositoryVault

    /// Copies what backups need; can be repeated, and goes on where it was.
    ///
    /// Until the registry says otherwise the project's repository is the old one (D2).
    func copy(
        _ row: BucketStore.Repository, _ old: OpenRepository, to id: RepositoryID,
        progress: @escaping @Sendable (Int, Int) -> Void
    ) async throws -> RepositoryCopy {
        let prefix = "repositories/\(id)"
        let store = try await vault.catalog.store(of: row.bucket, repositoryPrefix: prefix)
        let new = try await made(id, in: store, like: old)
        let report = try await Rekey(from: old, to: new).runAlone(progress: progress)
        let check = try await new.check(.structure, expected: Set(report.snapshots.values))
        guard check.isSound else {
            throw check.failures.first
                ?? RepositoryError(code: .verificationFailed, message: "the copy is not sound")
        }
        return RepositoryCopy(
            bucket: row.bucket.id, prefix: prefix,
            chunkerPolynomial: "\(new.config.polynomial)", replaces: row.id,
            oldLocation: BucketCatalog.location(of: row.bucket) + "/" + row.prefix,
            snapshots: Dictionary(
                uniqueKeysWithValues: report.snapshots.map { ($0.key.hex, $0.value.hex) }),
            copiedBlobs: report.copiedBlobs, writtenBytes: report.writtenBytes)
    }

    /// Removes all objects of a retired repository, its keys last; again is harmless.
    func remove(_ id: RepositoryID) async throws {
        let found = try await vault.pool.withTransaction { transaction in
            try await BucketStore(transaction).retired(id)
        }
        // The registry says that another has taken its place, or nothing is removed (D4).
        guard let found else {
            throw RegistryConflict(description: "repository \(id) is in use")
        }
        let store = try await vault.store(of: found)
        try await Self.empty(store)
        try await vault.pool.withTransaction { transaction in
            let secrets = SecretStore(transaction)
            try await secrets.remove(kind: .repositoryPassword, id: id)
            try await secrets.remove(kind: .repositoryKey, id: id)
        }
    }

    private func made(
        _ id: RepositoryID, in store: any ObjectStorage, like old: OpenRepository
    ) async throws -> OpenRepository {
        if let earlier = try await open(id, in: store) { return earlier }
        return try await create(id, in: store, like: old)
    }

    /// What an earlier try has made.
    private func open(
        _ id: RepositoryID, in store: any ObjectStorage
    ) async throws -> OpenRepository? {
        let key = try await vault.pool.withTransaction { transaction in
            try await SecretStore(transaction).find(
                kind: .repositoryKey, id: id, keyring: vault.keyring)
        }
        guard let key else { return nil }
        return try await OpenRepository.open(store, key: try RepositoryKey(SecretBytes(key)))
    }

    private func create(
        _ id: RepositoryID, in store: any ObjectStorage, like old: OpenRepository
    ) async throws -> OpenRepository {
        // What was made without its key being kept is nobody's.
        try await Self.empty(store)
        let password = Array(Random.hex(bytes: 32).utf8)
        let made = try await OpenRepository.create(
            in: store, password: SecretBytes(password),
            origin: KeyFile.Origin(
                created: NodeTime(seconds: vault.identifiers.currentTime.milliseconds / 1000),
                username: "berth", hostname: "berth-hub"),
            cost: .randomPassword, polynomial: old.config.polynomial)
        let key = made.key.withBytes { $0 }
        try await vault.pool.withTransaction { transaction in
            let secrets = SecretStore(transaction)
            try await secrets.insert(
                password, kind: .repositoryPassword, id: id, keyring: vault.keyring)
            try await secrets.insert(key, kind: .repositoryKey, id: id, keyring: vault.keyring)
        }
        return made
    }

    private static func empty(_ store: any ObjectStorage) async throws {
        let names = try await store.list(.all).compactMap(\.name)
        let (keys, others) = (
            names.filter { $0.segments.first == "keys" || $0.segments.first == "config" },
            names.filter { $0.segments.first != "keys" && $0.segments.first != "config" }
        )
        for name in others + keys { try await store.delete(name) }
    }
}

/// A repository that can take the place of another.
struct RepositoryCopy: Sendable, Codable, Hashable {
    var bucket: BucketID
    var prefix: String
    var chunkerPolynomial: String
    var replaces: RepositoryID
    var oldLocation: String
    /// The name of each snapshot in it, by that in the old one.
    var snapshots: [String: String]
    var copiedBlobs: Int
    var writtenBytes: Int64
}
