import ObjectStore
import Platform
import Postgres
import Repository
import Shared

/// The projects' repositories, their keys and their buckets, as the hub holds them.
struct RepositoryVault: Sendable {
    let pool: PostgresPool
    let keyring: Keyring
    let identifiers: Identifiers
    let catalog: BucketCatalog

    /// The repository of a project that has backups.
    ///
    /// - Throws: `Problem` 409 `no-repository`: a missing one is never taken for an empty one (D5).
    func require(_ project: ProjectID) async throws -> BucketStore.Repository {
        let found = try await pool.withTransaction { transaction in
            try await BucketStore(transaction).repository(of: project)
        }
        guard let found else {
            throw Problem(
                status: 409, code: "no-repository", title: "The project has no repository",
                detail: "project \(project) has never been backed up",
                hint: "berth backup create PROJECT makes the first backup")
        }
        return found
    }

    /// The repository of a project, made where there is none: only the hub does that (D5).
    ///
    /// Two at once make two prefixes and one row; the other prefix is an empty repository that
    /// nothing names.
    func ensure(
        _ project: ProjectID, author: RegistryWriter.Author
    ) async throws -> BucketStore.Repository {
        let (known, route) = try await pool.withTransaction { transaction in
            let store = BucketStore(transaction)
            return (
                try await store.repository(of: project), try await store.route(project)
            )
        }
        if let known { return known }
        guard let bucket = route.bucket else { throw Self.noBucket(project, route.region) }
        let id = identifiers.make(RepositoryIdentity.self)
        let prefix = "repositories/\(id)"
        let password = Array(Random.hex(bytes: 32).utf8)
        // Not inside a transaction: the bucket may be slow.
        let made = try await OpenRepository.create(
            in: try await catalog.store(of: bucket, repositoryPrefix: prefix),
            password: SecretBytes(password),
            origin: KeyFile.Origin(
                created: NodeTime(seconds: identifiers.currentTime.milliseconds / 1000),
                username: "berth", hostname: "berth-hub"),
            cost: .randomPassword)
        let key = made.key.withBytes { $0 }
        let polynomial = "\(made.config.polynomial)"
        do {
            try await pool.withTransaction { transaction in
                let secrets = SecretStore(transaction)
                try await secrets.insert(
                    password, kind: .repositoryPassword, id: id, keyring: keyring)
                try await secrets.insert(key, kind: .repositoryKey, id: id, keyring: keyring)
                var writer = try await RegistryWriter(transaction, author: author)
                try await writer.record(
                    .repositoryCreated(
                        RepositoryCreated(
                            repository: id, project: project, bucket: bucket.id, prefix: prefix,
                            chunkerPolynomial: polynomial)))
                try await writer.finish()
            }
        } catch let error as PostgresError where error.sqlState == "23505" {
            // Somebody else made the project's repository meanwhile; theirs is the one.
        }
        return try await require(project)
    }

    /// The store that holds a repository.
    func store(of repository: BucketStore.Repository) async throws -> any ObjectStorage {
        try await catalog.store(of: repository.bucket, repositoryPrefix: repository.prefix)
    }

    /// The repositories into which a backup is in flight, by any hub.
    func repositoriesWithBackups() async throws -> Set<RepositoryID> {
        try await pool.withTransaction { transaction in
            Set(try await BucketStore(transaction).repositoriesWithBackups())
        }
    }

    /// The repositories that were backed up into within a day: where a killed hub may have left a
    /// lock.
    func repositoriesBackedUpLately() async throws -> [BucketStore.Repository] {
        try await pool.withTransaction { transaction in
            let store = BucketStore(transaction)
            var found: [BucketStore.Repository] = []
            for project in try await store.projectsBackedUpLately() {
                if let repository = try await store.repository(of: project) {
                    found.append(repository)
                }
            }
            return found
        }
    }

    /// A repository's own key, 64 bytes.
    func key(of repository: BucketStore.Repository) async throws -> [UInt8] {
        try await pool.withTransaction { transaction in
            try await SecretStore(transaction).open(
                kind: .repositoryKey, id: repository.id, keyring: keyring)
        }
    }

    /// Opens a repository with the key that the hub keeps.
    func open(_ repository: BucketStore.Repository) async throws -> OpenRepository {
        let key = try RepositoryKey(SecretBytes(try await key(of: repository)))
        return try await OpenRepository.open(try await store(of: repository), key: key)
    }

    /// What stock restic needs.
    func exportKey(of project: ProjectID) async throws -> RepositoryKeyExport {
        let repository = try await require(project)
        let password = try await pool.withTransaction { transaction in
            try await SecretStore(transaction).open(
                kind: .repositoryPassword, id: repository.id, keyring: keyring)
        }
        return RepositoryKeyExport(
            repository: repository.id,
            location: BucketCatalog.location(of: repository.bucket) + "/" + repository.prefix,
            password: String(decoding: password, as: UTF8.self))
    }

    /// The entries of a directory in a backup, or the one entry that the path names.
    ///
    /// - Throws: `Problem` 404 `path-not-found`.
    func list(_ path: ProjectPath, in backup: BackupReference) async throws -> [Node] {
        let walker = try await walker(backup)
        do {
            return try await walker.list(path.bytes)
        } catch let error as RepositoryError where error.code == .invalidInput {
            throw Self.missing(path, backup)
        }
    }

    /// Refuses a path that a backup does not hold.
    ///
    /// - Throws: `Problem` 404 `path-not-found`.
    func requirePath(_ path: ProjectPath, in backup: BackupReference) async throws {
        let walker = try await walker(backup)
        do {
            _ = try await walker.node(at: path.bytes)
        } catch let error as RepositoryError where error.code == .invalidInput {
            throw Self.missing(path, backup)
        }
    }

    /// A region's projects never go to another region's bucket unasked.
    private static func noBucket(_ project: ProjectID, _ region: String) -> Problem {
        Problem(
            status: 409, code: "no-bucket", title: "There is no bucket for the project",
            detail: "region \(region) has no default bucket, and none of another region serves it",
            hint: "berth bucket create --region \(region), berth bucket set BUCKET --also-serves "
                + "\(region), or berth project route PROJECT BUCKET --across-regions")
    }

    private func walker(_ backup: BackupReference) async throws -> TreeWalker {
        let repository = try await open(try await require(backup.project))
        guard let root = BlobID(hex: backup.rootTree) else {
            throw RegistryConflict(description: "backup \(backup.id) has no root tree id")
        }
        return TreeWalker(rootTree: root, source: try await repository.blobSource())
    }

    private static func missing(_ path: ProjectPath, _ backup: BackupReference) -> Problem {
        Problem(
            status: 404, code: "path-not-found", title: "The backup does not hold this path",
            detail: "\"\(path)\" is not in backup \(backup.id)",
            hint: "berth backup ls PROJECT \(backup.id) shows what is")
    }
}
