import Glibc
import ObjectStore
import Platform
import Postgres
import Shared

/// Finds a bucket's credentials where its settings say, each time that a store is opened, so that
/// a changed file or sealed secret counts at once.
struct CredentialReader: Sendable {
    let pool: PostgresPool
    let keyring: Keyring
    let files: BlockingPool
    /// The hub's own environment.
    let environment: @Sendable (String) -> String?

    /// An access key and its secret.
    struct Pair: Sendable {
        let accessKey: String
        let secretKey: SecretBytes

        /// What tells these from others, and tells nothing of them.
        var fingerprint: [UInt8] {
            secretKey.withBytes { Digest.sha256(Array(accessKey.utf8) + [0] + $0) }
        }
    }

    /// What is sealed.
    struct Sealed: Codable, Sendable {
        var accessKey: String
        var secretKey: String
    }

    /// The credentials of a bucket.
    ///
    /// - Throws: `ObjectStoreError` `credentialsRefused`, which names the reference and never what
    ///   it refers to.
    func read(of row: BucketCatalog.Row) async throws -> Pair {
        let access = try CredentialReference(row.settings.accessKey ?? "", of: "the access key")
        let secret = try CredentialReference(row.settings.secretKey ?? "", of: "the secret key")
        let sealed = access == .sealed || secret == .sealed ? try await sealed(row) : nil
        let id = try await value(access, sealed?.accessKey, row)
        guard (1...128).contains(id.utf8.count), id.utf8.allSatisfy(Self.isKeyUnit) else {
            throw failure(row, "its access key id is none: 1 to 128 letters, digits and ._-")
        }
        let key = try await value(secret, sealed?.secretKey, row)
        return Pair(accessKey: id, secretKey: SecretBytes(Array(key.utf8)))
    }

    private static func isKeyUnit(_ unit: UInt8) -> Bool {
        (0x41...0x5A).contains(unit) || (0x61...0x7A).contains(unit)
            || (0x30...0x39).contains(unit) || [0x2D, 0x2E, 0x5F].contains(unit)
    }

    private func value(
        _ reference: CredentialReference, _ sealed: String?, _ row: BucketCatalog.Row
    ) async throws -> String {
        switch reference {
        case .environment(let name):
            guard let value = environment(name), !value.isEmpty else {
                throw failure(row, "the hub's environment has no \(name)")
            }
            return value
        case .file(let path):
            return try await files.run { try Self.line(of: path, bucket: row.name) }
        case .sealed:
            guard let sealed else {
                throw failure(
                    row,
                    "its credentials are not sealed yet: pipe them into "
                        + "berth-hub bucket-credentials \(row.name)")
            }
            return sealed
        }
    }

    private func sealed(_ row: BucketCatalog.Row) async throws -> Sealed? {
        let bytes = try await pool.withTransaction { transaction in
            try await SecretStore(transaction).find(kind: .bucket, id: row.id, keyring: keyring)
        }
        return try bytes.map { try JSON.decode(Sealed.self, from: $0) }
    }

    /// The one line of a file that its owner alone can read.
    static func line(of path: String, bucket: String) throws -> String {
        var status = stat()
        guard unsafe stat(path, &status) == 0 else {
            throw failure(bucket, "\(path) cannot be read: \(describe(errno: errno))")
        }
        guard status.st_mode & S_IFMT == S_IFREG, status.st_mode & 0o077 == 0 else {
            throw failure(bucket, "\(path) can be used by others; chmod 600 \(path)")
        }
        guard status.st_uid == geteuid() || status.st_uid == 0 else {
            throw failure(bucket, "\(path) belongs to another user than the hub's")
        }
        let bytes: [UInt8]
        do {
            bytes = try DurableFile.read(path, limitBytes: 4096)
        } catch {
            throw failure(bucket, "\(path) cannot be read, or has more than 4 KiB")
        }
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
        guard lines.count == 1, let line = lines.first, !line.isEmpty else {
            throw failure(bucket, "\(path) must hold one line: the secret")
        }
        return String(line)
    }

    private func failure(_ row: BucketCatalog.Row, _ reason: String) -> ObjectStoreError {
        Self.failure(row.name, reason)
    }

    private static func failure(_ bucket: String, _ reason: String) -> ObjectStoreError {
        ObjectStoreError(
            code: .credentialsRefused,
            message: "bucket \(bucket) has no credentials: \(reason)")
    }
}
