import COpenSSL
public import Platform

/// A file in `keys/`: the master key sealed under a password (restic design, "Keys, Encryption and
/// MAC").
///
/// Plain JSON; its name is its SHA-256. Many key files may hold the one master key.
public struct KeyFile: Sendable {
    /// What scrypt costs: 128·N·r bytes of memory, N·r·p of time.
    public struct Cost: Sendable, Equatable {
        /// N, a power of two.
        public let n: Int
        /// r.
        public let r: Int
        /// p.
        public let p: Int

        /// What this program writes: 32 MiB, about a third of a second, as stock restic chooses.
        public static let standard = Cost(uncheckedN: 32768, r: 8, p: 4)

        /// For passwords of 256 random bits: there is nothing to guess, so nothing to make costly.
        public static let randomPassword = Cost(uncheckedN: 1024, r: 8, p: 1)

        /// The most memory that opening a key file may take, in bytes.
        static let memoryLimitBytes = 512 << 20
        /// The most work, N·r·p; the standard is a million.
        static let workLimit = 1 << 23

        /// - Throws: `RepositoryError` with code `limitExceeded`.
        public init(n: Int, r: Int, p: Int) throws {
            let isPlausible =
                (2...1 << 24).contains(n) && n & (n - 1) == 0 && (1...1 << 10).contains(r)
                && (1...1 << 10).contains(p)
            guard isPlausible, 128 * n * r <= Self.memoryLimitBytes, n * r * p <= Self.workLimit
            else {
                throw RepositoryError(
                    code: .limitExceeded,
                    message: "a key file with scrypt parameters N=\(n), r=\(r), p=\(p): "
                        + "more than this program spends on one password")
            }
            self.init(uncheckedN: n, r: r, p: p)
        }

        private init(uncheckedN n: Int, r: Int, p: Int) {
            (self.n, self.r, self.p) = (n, r, p)
        }
    }

    /// Who made it and when, shown by `restic key list`; nothing depends on it.
    public struct Origin: Sendable {
        /// When it was made.
        public let created: NodeTime
        /// A user's name.
        public let username: String
        /// A host's name.
        public let hostname: String

        /// Describes who makes a key file.
        public init(created: NodeTime, username: String, hostname: String) {
            self.created = created
            self.username = username
            self.hostname = hostname
        }
    }

    /// The longest key file in bytes.
    public static let limitBytes = 64 << 10
    private static let saltBytes = 64

    /// The file's bytes.
    public let bytes: [UInt8]

    /// The file's name in `keys/`.
    public var id: BlobID { BlobID(hashing: bytes) }

    /// A file as it was read, to be opened.
    public init(bytes: [UInt8]) {
        self.bytes = bytes
    }

    /// Seals `key` under a password.
    ///
    /// Blocks for as long as scrypt takes.
    ///
    /// - Parameters:
    ///   - key: the master key.
    ///   - password: UTF-8; every program that opens the repository needs the same bytes.
    ///   - origin: who makes it.
    ///   - cost: what scrypt may cost.
    /// - Throws: `RepositoryError` with code `library`.
    public init(
        sealing key: RepositoryKey, password: SecretBytes, origin: Origin, cost: Cost = .standard
    ) throws {
        let salt = try randomBytes(Self.saltBytes)
        let user = Sealer(key: try Self.derive(password, salt: salt, cost: cost))
        var master = try key.withBytes { bytes in
            try JSONFile.encode(
                MasterKey(
                    mac: .init(
                        k: Base64.encode(Array(bytes[32..<48])),
                        r: Base64.encode(Array(bytes[48..<64]))),
                    encrypt: Base64.encode(Array(bytes[0..<32]))))
        }
        defer { unsafe OPENSSL_cleanse(&master, master.count) }
        bytes = try JSONFile.encode(
            Contents(
                created: origin.created.text, username: origin.username,
                hostname: origin.hostname, kdf: "scrypt", n: cost.n, r: cost.r, p: cost.p,
                salt: Base64.encode(salt), data: Base64.encode(try user.seal(master))))
    }

    /// The master key.
    ///
    /// Blocks for as long as scrypt takes.
    ///
    /// - Parameters:
    ///   - password: the password to try.
    ///   - object: the file's name, for errors.
    /// - Throws: `RepositoryError`: `wrongKey` when the password is not this file's (or the file
    ///   was altered: its MAC covers that), `corrupt`, `unsupported`, `limitExceeded`.
    public func open(password: SecretBytes, object: String) throws -> RepositoryKey {
        let contents = try JSONFile.decode(Contents.self, from: bytes, object: object)
        guard contents.kdf == "scrypt" else {
            throw RepositoryError(
                code: .unsupported, message: "\(object): key derivation \(contents.kdf.prefix(40))")
        }
        guard let salt = Base64.decode(contents.salt), salt.count == Self.saltBytes,
            let data = Base64.decode(contents.data)
        else { throw RepositoryError.corrupt(object, "its salt or data") }
        let cost = try Cost(n: contents.n, r: contents.r, p: contents.p)
        let user = Sealer(key: try Self.derive(password, salt: salt, cost: cost))
        var plain: [UInt8]
        do {
            plain = try user.open(data, object: object)
        } catch let error as RepositoryError where error.code == .corrupt(object: object) {
            throw RepositoryError(
                code: .wrongKey, message: "the password does not open \(object)", cause: error)
        }
        defer { unsafe OPENSSL_cleanse(&plain, plain.count) }
        let master = try JSONFile.decode(MasterKey.self, from: plain, object: object)
        guard let encrypt = Base64.decode(master.encrypt), encrypt.count == 32,
            let k = Base64.decode(master.mac.k), k.count == 16,
            let r = Base64.decode(master.mac.r), r.count == 16
        else { throw RepositoryError.corrupt(object, "the master key in it") }
        return try RepositoryKey(SecretBytes(encrypt + k + r))
    }

    /// scrypt (RFC 7914; EVP_PBE_scrypt(3)): 64 bytes.
    static func derive(_ password: SecretBytes, salt: [UInt8], cost: Cost) throws -> RepositoryKey {
        var derived = [UInt8](repeating: 0, count: RepositoryKey.count)
        defer { unsafe OPENSSL_cleanse(&derived, derived.count) }
        let memory = UInt64(128 * cost.n * cost.r + 128 * cost.r * cost.p) + 64 << 20
        let isDone = password.withBytes { bytes in
            unsafe bytes.withUnsafeBufferPointer { buffer in
                unsafe buffer.withMemoryRebound(to: CChar.self) { text in
                    unsafe EVP_PBE_scrypt(
                        text.baseAddress, text.count, salt, salt.count, UInt64(cost.n),
                        UInt64(cost.r), UInt64(cost.p), memory, &derived, derived.count)
                }
            }
        }
        guard isDone == 1 else { throw CipherContexts.failure("run scrypt") }
        return try RepositoryKey(SecretBytes(derived))
    }

    private struct Contents: Codable {
        let created: String
        let username: String
        let hostname: String
        let kdf: String
        let n: Int
        let r: Int
        let p: Int
        let salt: String
        let data: String

        enum CodingKeys: String, CodingKey {
            case created, username, hostname, kdf, r, p, salt, data
            case n = "N"
        }
    }

    private struct MasterKey: Codable {
        struct Authentication: Codable {
            let k: String
            let r: String
        }
        let mac: Authentication
        let encrypt: String
    }
}
