import Glibc
import Platform
import Postgres
import Shared

/// `berth-hub bucket-credentials`: seals a bucket's credentials with the hub's master key.
///
/// They come by standard input, on the hub's own machine: no request, argument or log ever holds
/// them.
struct BucketCredentials: Sendable {
    private let call: HubCall
    private let directory: HubDirectory
    private let configuration: Configuration

    /// The two lines have no more than this.
    private static let limitBytes = 8192

    init(_ call: HubCall) throws {
        self.call = call
        directory = HubDirectory(path: call.dataDirectory)
        configuration = try Configuration.load(dataDirectory: call.dataDirectory)
    }

    /// Seals what is piped in; a running hub uses it from the next request on.
    ///
    /// - Throws: `UsageError` for anything but two lines, `HubError` `.bucket` for an unknown bucket.
    func seal() async throws {
        try directory.requireExists()
        let sealed = try Self.pair(try Self.read(0))
        let keyring = try Keyring.load(path: configuration.masterKeyFile)
        let database = try Database(configuration, directory: directory)
        try await database.whileRunning(directory) {
            let pool = PostgresPool(database.options)
            do {
                try await store(sealed, keyring, pool)
                await pool.close()
            } catch {
                await pool.close()
                throw error
            }
        }
        print("The credentials of bucket \(call.bucket) are sealed.")
        print("See whether they work: berth bucket test \(call.bucket)")
    }

    private func store(
        _ sealed: CredentialReader.Sealed, _ keyring: Keyring, _ pool: PostgresPool
    ) async throws {
        try await pool.withTransaction { transaction in
            // A wrong master key must not seal what no hub could open.
            guard let row = try await HubRowStore(transaction).row() else {
                throw HubError(.database, "the database was never initialized")
            }
            try KeyringCheck.verify(row.keyringCheck, keyring: keyring, timeline: row.timeline)
            guard let bucket = try await BucketStore(transaction).bucket(named: call.bucket) else {
                throw HubError(
                    .bucket, "there is no bucket \(call.bucket)",
                    hint: "make it first: berth bucket create \(call.bucket) … "
                        + "--access-key sealed --secret-key sealed")
            }
            try await SecretStore(transaction).replace(
                try JSON.encode(sealed), kind: .bucket, id: bucket.id, keyring: keyring)
        }
    }

    /// The access key id and the secret key, a line each.
    static func pair(_ bytes: [UInt8]) throws -> CredentialReader.Sealed {
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
            .map { $0.filter { !$0.isWhitespace } }
        guard lines.count == 2, lines.allSatisfy({ !$0.isEmpty }) else {
            throw UsageError(
                "bucket-credentials reads two lines: the access key id and the secret key")
        }
        return CredentialReader.Sealed(accessKey: lines[0], secretKey: lines[1])
    }

    private static func read(_ number: Int32) throws -> [UInt8] {
        guard isatty(number) == 0 else {
            throw UsageError("pipe the credentials in, so that no terminal shows them")
        }
        var all: [UInt8] = []
        while all.count <= limitBytes {
            let piece = try unsafe [UInt8](unsafeUninitializedCapacity: limitBytes + 1) {
                buffer, count in
                count = try systemCall("read standard input") {
                    unsafe Glibc.read(number, buffer.baseAddress, buffer.count)
                }
            }
            if piece.isEmpty { return all }
            all += piece
        }
        throw UsageError("that is too much for two lines")
    }
}
