/// The file `config`: what a repository is (restic design, "Repository Layout").
///
/// Sealed as raw JSON, never compressed.
public struct RepositoryConfig: Sendable, Equatable {
    /// The format's version that this program writes.
    public static let version = 2
    /// The longest `config` in bytes.
    static let limitBytes = 64 << 10

    /// The repository's random identity; nil on a host, which is granted the polynomial alone.
    public let id: BlobID?
    /// The polynomial of its chunker.
    public let polynomial: ChunkerPolynomial

    /// A new identity and a new random polynomial.
    ///
    /// - Throws: `RepositoryError` with code `library`.
    public static func random() throws -> RepositoryConfig {
        RepositoryConfig(id: BlobID(sha256: try randomBytes(32)), polynomial: try .random())
    }

    /// The sealed file; only of a configuration with an identity.
    func seal(with sealer: Sealer) throws -> [UInt8] {
        guard let id else {
            throw RepositoryError(code: .invalidInput, message: "a config needs an identity")
        }
        return try sealer.seal(
            JSONFile.encode(
                Contents(
                    version: Self.version, id: id.hex, polynomial: polynomial.description)))
    }

    /// - Throws: `RepositoryError`: `wrongKey` when the MAC does not match, `corrupt`,
    ///   `unsupported` for another version or a reducible polynomial.
    static func open(_ sealed: [UInt8], with sealer: Sealer) throws -> RepositoryConfig {
        let plain: [UInt8]
        do {
            plain = try sealer.open(sealed, object: "config")
        } catch let error as RepositoryError where error.code == .corrupt(object: "config") {
            throw RepositoryError(
                code: .wrongKey, message: "this key does not open config, or config was altered",
                cause: error)
        }
        let contents = try JSONFile.decode(Contents.self, from: plain, object: "config")
        guard contents.version == version else {
            throw RepositoryError(
                code: .unsupported,
                message: "the repository has format version \(contents.version), this program "
                    + "reads and writes version 2; `restic migrate upgrade_repo_v2` converts it")
        }
        guard let id = BlobID(hex: contents.id) else {
            throw RepositoryError.corrupt("config", "its id")
        }
        return RepositoryConfig(
            id: id, polynomial: try ChunkerPolynomial(hex: contents.polynomial))
    }

    private struct Contents: Codable {
        let version: Int
        let id: String
        let polynomial: String

        enum CodingKeys: String, CodingKey {
            case version, id
            case polynomial = "chunker_polynomial"
        }
    }
}
