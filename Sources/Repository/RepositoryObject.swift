public import ObjectStore

/// The kinds of files beside packs, each in a directory of its own (restic design, "Repository
/// Layout").
public enum FileKind: String, Sendable, CaseIterable {
    /// Where blobs are: lists of packs and their blobs.
    case index
    /// Key files, one per password.
    case keys
    /// Locks of running programs.
    case locks
    /// Snapshot files, one per backup.
    case snapshots

    /// The prefix of all files of this kind.
    public func prefix() throws -> ObjectPrefix { try ObjectPrefix(rawValue + "/") }
}

extension ObjectName {
    /// `config`.
    public static func config() throws -> ObjectName { try ObjectName("config") }

    /// `data/4f/4f21…`.
    public static func pack(_ id: BlobID) throws -> ObjectName {
        let hex = id.hex
        return try ObjectName("data/\(hex.prefix(2))/\(hex)")
    }

    /// `index/4f21…`, and so on.
    public static func file(_ kind: FileKind, _ id: BlobID) throws -> ObjectName {
        try ObjectName("\(kind.rawValue)/\(id.hex)")
    }

    /// The id that the last segment is; nil when it is none.
    public var id: BlobID? { segments.last.flatMap { BlobID(hex: $0) } }
}

/// Runs a call of the store that writes or lists, and turns its errors into `RepositoryError` with
/// code `store`; an error that is no `ObjectStoreError` passes.
func storing<Answer>(
    _ what: @autoclosure () -> String, _ body: () async throws -> Answer
) async throws -> Answer {
    do {
        return try await body()
    } catch let error as ObjectStoreError {
        throw RepositoryError(code: .store, message: "cannot \(what())", cause: error)
    }
}

/// Reads an object of the repository and turns the store's errors into this module's: `notFound`
/// becomes `missing`, `outOfRange` and `limitExceeded` become `corrupt`.
func reading<Answer>(
    _ name: ObjectName, _ body: () async throws -> Answer
) async throws -> Answer {
    do {
        return try await body()
    } catch let error as ObjectStoreError {
        switch error.code {
        case .notFound:
            throw RepositoryError(
                code: .missing(object: name.text), message: "\(name) is missing", cause: error)
        case .outOfRange, .limitExceeded:
            throw RepositoryError(
                code: .corrupt(object: name.text), message: "\(name) has a wrong length",
                cause: error)
        case .alreadyExists, .denied, .notAllowed, .full, .unavailable, .hubUnavailable, .digest,
            .invalidName, .leaseLost, .bucketMissing, .credentialsRefused, .clockSkew,
            .invalidConfiguration,
            .failed:
            throw RepositoryError(
                code: .store, message: "cannot read \(name)", cause: error)
        }
    }
}
