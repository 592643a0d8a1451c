public import ObjectStore
public import Platform

/// A repository whose key is known: its files, its blobs, and what the hub commits to it.
public struct OpenRepository: Sendable {
    /// Where its objects are.
    public let store: any ObjectStorage
    /// The master key.
    public let key: RepositoryKey
    /// Identity and chunker polynomial.
    public let config: RepositoryConfig
    /// Hashing, compression and sealing under the key.
    public let codec: BlobCodec

    /// How many objects are read at once.
    static let readWidth = 8
    /// How many key files are tried with a password.
    private static let keyFileLimit = 20

    /// A repository as a host knows it: what the hub granted, without reading `config`.
    ///
    /// - Parameters:
    ///   - store: where its objects are.
    ///   - key: the master key.
    ///   - polynomial: that of its chunker.
    public init(store: any ObjectStorage, key: RepositoryKey, polynomial: ChunkerPolynomial) {
        self.init(store: store, key: key, config: RepositoryConfig(id: nil, polynomial: polynomial))
    }

    private init(store: any ObjectStorage, key: RepositoryKey, config: RepositoryConfig) {
        self.store = store
        self.key = key
        self.config = config
        codec = BlobCodec(key: key)
    }

    /// Makes a repository: a random key under a password, a random identity and polynomial.
    ///
    /// `config` comes last and makes it one.
    ///
    /// - Parameters:
    ///   - store: where nothing of a repository is yet.
    ///   - password: what opens it, here and in stock restic.
    ///   - origin: who makes it.
    ///   - cost: what trying a password costs.
    ///   - polynomial: that of the chunker, for a repository that continues another; nil for a
    ///     random one.
    /// - Throws: `RepositoryError`: `alreadyExists`, `store`, `library`.
    public static func create(
        in store: any ObjectStorage, password: SecretBytes, origin: KeyFile.Origin,
        cost: KeyFile.Cost = .standard, polynomial: ChunkerPolynomial? = nil
    ) async throws -> OpenRepository {
        let taken = RepositoryError(
            code: .alreadyExists, message: "there is a repository here already")
        let configName = try ObjectName.config()
        guard try await !storing("look for config", { try await store.exists(configName) }) else {
            throw taken
        }
        let key = try RepositoryKey.random()
        let file = try await Self.sealKey(key, password: password, origin: origin, cost: cost)
        var config = try RepositoryConfig.random()
        if let polynomial { config = RepositoryConfig(id: config.id, polynomial: polynomial) }
        let repository = OpenRepository(store: store, key: key, config: config)
        let sealed = try config.seal(with: repository.codec.sealer)
        let isNew = try await storing("create the repository") {
            let name = try ObjectName.file(.keys, file.id)
            _ = try await store.put(name, .bytes(file.bytes, sha256: file.id.bytes))
            return try await store.put(configName, .bytes(sealed))
        }
        guard isNew else { throw taken }
        return repository
    }

    /// Opens a repository with a password: every key file is tried.
    ///
    /// - Throws: `RepositoryError`: `wrongKey`, `missing` where there is no repository, `corrupt`,
    ///   `unsupported`, `store`.
    public static func open(
        _ store: any ObjectStorage, password: SecretBytes
    ) async throws -> OpenRepository {
        let names = try await storing("list the key files") {
            try await store.list(try FileKind.keys.prefix())
        }
        guard !names.isEmpty else {
            throw RepositoryError(
                code: .missing(object: "keys/"),
                message: "there is no key file: no repository is here, or its keys were lost")
        }
        var failure: (any Error)?
        for entry in names.prefix(keyFileLimit) {
            do {
                let file = KeyFile(
                    bytes: try await reading(entry.name) {
                        try await store.get(entry.name, limitBytes: KeyFile.limitBytes)
                    })
                let key = try await openKey(file, password: password, object: entry.name.text)
                return try await open(store, key: key)
            } catch let error as RepositoryError {
                if failure == nil || error.code != .wrongKey { failure = error }
            }
        }
        throw failure ?? RepositoryError(code: .wrongKey, message: "no key file opens")
    }

    /// Opens a repository with its master key.
    ///
    /// - Throws: `RepositoryError`: `wrongKey`, `missing` where there is no repository, `corrupt`,
    ///   `unsupported`, `store`.
    public static func open(
        _ store: any ObjectStorage, key: RepositoryKey
    ) async throws -> OpenRepository {
        let name = try ObjectName.config()
        let sealed = try await reading(name) {
            try await store.get(name, limitBytes: RepositoryConfig.limitBytes)
        }
        let config = try RepositoryConfig.open(sealed, with: Sealer(key: key))
        return OpenRepository(store: store, key: key, config: config)
    }

    /// Adds a key file, so that another password opens the repository too.
    ///
    /// - Returns: its name in `keys/`.
    public func addKey(
        password: SecretBytes, origin: KeyFile.Origin, cost: KeyFile.Cost = .standard
    ) async throws -> BlobID {
        let file = try await Self.sealKey(key, password: password, origin: origin, cost: cost)
        _ = try await storing("store a key file") {
            try await store.put(
                .file(.keys, file.id), .bytes(file.bytes, sha256: file.id.bytes))
        }
        return file.id
    }

    // scrypt keeps a processor for a third of a second.

    @concurrent private static func sealKey(
        _ key: RepositoryKey, password: SecretBytes, origin: KeyFile.Origin, cost: KeyFile.Cost
    ) async throws -> KeyFile {
        try KeyFile(sealing: key, password: password, origin: origin, cost: cost)
    }

    @concurrent private static func openKey(
        _ file: KeyFile, password: SecretBytes, object: String
    ) async throws -> RepositoryKey {
        try file.open(password: password, object: object)
    }
}
