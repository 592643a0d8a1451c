import ObjectStore
import Platform
import Shared

/// The clients of the S3 buckets that this hub uses: one a bucket, so that all who use a bucket
/// share its connections and what is known of its failures.
actor OpenedBuckets {
    private struct Entry {
        let settings: BucketSettings
        let hasConditionalPut: Bool
        let credentials: [UInt8]
        let store: S3Store
    }

    /// How long a store goes on trying before it answers a failure.
    private let patience: Duration
    private var entries: [BucketID: Entry] = [:]

    /// - Parameter patience: how long a store goes on trying.
    init(patience: Duration) {
        self.patience = patience
    }

    /// The client of a bucket; a new one when settings or credentials changed.
    ///
    /// - Throws: `ObjectStoreError` `invalidConfiguration`.
    func store(of row: BucketCatalog.Row, credentials: CredentialReader.Pair) throws -> S3Store {
        let fingerprint = credentials.fingerprint
        let hasConditionalPut = row.test?.hasConditionalPut ?? false
        if let entry = entries[row.id], entry.settings == row.settings,
            entry.hasConditionalPut == hasConditionalPut, entry.credentials == fingerprint
        {
            return entry.store
        }
        let store = try trial(row, credentials: credentials)
        entries[row.id] = Entry(
            settings: row.settings, hasConditionalPut: hasConditionalPut,
            credentials: fingerprint, store: store)
        return store
    }

    /// A client that nobody else gets.
    ///
    /// - Throws: `ObjectStoreError` `invalidConfiguration`.
    func trial(_ row: BucketCatalog.Row, credentials: CredentialReader.Pair) throws -> S3Store {
        var options = S3Options()
        options.patience = patience
        return try S3Store(
            Self.configuration(
                row.settings, hasConditionalPut: row.test?.hasConditionalPut ?? false),
            credentials: S3Credentials(
                accessKeyID: credentials.accessKey, secretKey: credentials.secretKey),
            options: options)
    }

    /// Lets go of a bucket's client, and of the credentials with it.
    func forget(_ bucket: BucketID) {
        entries[bucket] = nil
    }

    /// Lets the next request to a bucket find out for itself.
    func resume(_ bucket: BucketID) async {
        await entries[bucket]?.store.health.resume()
    }

    /// What the client needs to know of a bucket.
    ///
    /// - Throws: `ObjectStoreError` `invalidConfiguration` that says what is wrong.
    static func configuration(
        _ settings: BucketSettings, hasConditionalPut: Bool
    ) throws -> S3Configuration {
        let encryption: S3Configuration.Encryption =
            switch settings.encryption {
            case nil: .none
            case .aes256: .aes256
            case .kms: .kms(keyID: settings.encryptionKey)
            }
        var configuration = try S3Configuration(
            endpoint: settings.endpoint ?? "", region: settings.signingRegion ?? "us-east-1",
            bucket: settings.bucket ?? "",
            prefix: try settings.prefix.map { try ObjectPrefix($0 + "/") } ?? .all,
            addressing: settings.style == .host ? .host : .path,
            storageClass: settings.storageClass, encryption: encryption,
            hasConditionalPut: hasConditionalPut)
        configuration.authoritiesPEM = settings.authorities.map { Array($0.utf8) }
        return configuration
    }
}
