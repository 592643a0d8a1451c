public import FoundationEssentials

/// Asks for what an operation needs of repositories (D10).
public struct GrantRequest: Sendable, Codable {
    public var epoch: Int64

    public init(epoch: Int64) {
        self.epoch = epoch
    }
}

/// What an operation may use of one repository, while it holds its lease.
public struct GrantAnswer: Sendable, Codable {
    /// `gateway`: objects go through the hub; `presigned`: by URLs of `place`.
    public var mode: GrantMode
    public var repository: RepositoryID
    /// The repository's key, 64 bytes: encryption (32), Poly1305 k (16) and r (16).
    ///
    /// Kept in memory only.
    public var key: Data
    /// The chunker's polynomial in hexadecimal.
    public var chunkerPolynomial: String
    /// Where the bucket is, when its mode is `presigned`.
    public var place: GrantedPlace?
    /// How long a host goes on trying by itself before the operation fails and waits; 2 minutes
    /// when nil.
    public var patienceMilliseconds: Int64?

    public init(
        mode: GrantMode, repository: RepositoryID, key: Data, chunkerPolynomial: String,
        place: GrantedPlace? = nil, patienceMilliseconds: Int64? = nil
    ) {
        self.place = place
        self.patienceMilliseconds = patienceMilliseconds
        self.mode = mode
        self.repository = repository
        self.key = key
        self.chunkerPolynomial = chunkerPolynomial
    }
}

/// How hosts reach a bucket's objects.
public enum GrantMode: String, Sendable, Codable {
    /// Through the hub, which hashes while it streams and publishes without replacing.
    case gateway
    /// By URLs that the hub signs.
    case presigned
}

/// An object of a repository that a host may see.
public struct GrantedObject: Sendable, Codable, Hashable {
    public var name: String
    public var bytes: Int64

    public init(name: String, bytes: Int64) {
        self.name = name
        self.bytes = bytes
    }
}

/// The list of a repository's objects under a prefix.
public struct GrantedObjectList: Sendable, Codable {
    public var objects: [GrantedObject]

    public init(objects: [GrantedObject]) {
        self.objects = objects
    }
}

/// A pack that the host uploaded under its operation, as the writing host claims it.
///
/// The hub reads what is in it from the pack's own header and compares; a pack of small files would
/// make megabytes of JSON otherwise.
public struct CommitPack: Sendable, Codable, Hashable {
    /// SHA-256 of the file: 64 hexadecimal digits.
    public var id: String
    public var bytes: Int64
    /// SHA-256 of the plaintext of its header: 64 hexadecimal digits.
    public var headerDigest: String

    public init(id: String, bytes: Int64, headerDigest: String) {
        self.id = id
        self.bytes = bytes
        self.headerDigest = headerDigest
    }
}

/// A backup's packs and root, to be acknowledged (D13).
public struct CommitRequest: Sendable, Codable {
    public var epoch: Int64
    public var backup: BackupID
    public var packs: [CommitPack]
    public var rootTree: String
    /// When the btrfs snapshot was taken, which is the backup's time.
    public var takenAt: Timestamp
    public var files: Int64
    public var bytes: Int64
    public var addedBytes: Int64
    public var storedBytes: Int64
    /// Paths that could not be read and nested subvolumes.
    public var omissions: [String]
    /// How changes were found; nil from an older agent.
    public var detection: BackupDetection?

    public init(
        epoch: Int64, backup: BackupID, packs: [CommitPack], rootTree: String, takenAt: Timestamp,
        files: Int64, bytes: Int64, addedBytes: Int64, storedBytes: Int64, omissions: [String],
        detection: BackupDetection? = nil
    ) {
        self.detection = detection
        self.epoch = epoch
        self.backup = backup
        self.packs = packs
        self.rootTree = rootTree
        self.takenAt = takenAt
        self.files = files
        self.bytes = bytes
        self.addedBytes = addedBytes
        self.storedBytes = storedBytes
        self.omissions = omissions
    }
}

/// The hub's acknowledgement: from here on the backup restores.
///
/// Asking again gets it again.
public struct CommitAnswer: Sendable, Codable, Hashable {
    public var backup: BackupReference

    public init(backup: BackupReference) {
        self.backup = backup
    }
}
