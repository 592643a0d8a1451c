/// Makes a project and places it.
public struct CreateProjectRequest: Sendable, Codable {
    /// 1 to 63 of `a-z`, `0-9` and `-`, unique in the fleet.
    public var name: String
    public var owner: String?
    /// The host to place it on, by name or id; the ready host with the most free space otherwise.
    public var host: String?
    public var runtime: RuntimeDescription?

    public init(name: String, owner: String?, host: String?, runtime: RuntimeDescription?) {
        self.name = name
        self.owner = owner
        self.host = host
        self.runtime = runtime
    }
}

/// A project.
public struct ProjectDescription: Sendable, Codable, Hashable {
    public var id: ProjectID
    public var name: String
    public var owner: String
    public var region: String
    public var uid: UInt32
    public var gid: UInt32
    public var host: HostID?
    public var hostName: String?
    public var generation: Int64
    /// Whether the volume exists on the host: true, false, or nil for unknown.
    public var provisioned: Bool?
    public var runtime: RuntimeDescription
    public var runtimeState: RuntimeState?
    public var freshness: Freshness
    /// Seconds that the oldest change without a backup has been waiting; nil for unknown.
    public var exposureSeconds: Int64?
    public var lastBackup: Timestamp?
    public var createdAt: Timestamp
    public var deletedAt: Timestamp?

    public init(
        id: ProjectID, name: String, owner: String, region: String, uid: UInt32, gid: UInt32,
        host: HostID?, hostName: String?, generation: Int64, provisioned: Bool?,
        runtime: RuntimeDescription, runtimeState: RuntimeState?, freshness: Freshness,
        exposureSeconds: Int64?, lastBackup: Timestamp?, createdAt: Timestamp,
        deletedAt: Timestamp?
    ) {
        self.id = id
        self.name = name
        self.owner = owner
        self.region = region
        self.uid = uid
        self.gid = gid
        self.host = host
        self.hostName = hostName
        self.generation = generation
        self.provisioned = provisioned
        self.runtime = runtime
        self.runtimeState = runtimeState
        self.freshness = freshness
        self.exposureSeconds = exposureSeconds
        self.lastBackup = lastBackup
        self.createdAt = createdAt
        self.deletedAt = deletedAt
    }
}

/// Moves a project.
public struct MoveRequest: Sendable, Codable {
    /// The destination, by name or id.
    public var host: String
    /// Accepts that changes without a backup are lost when the source cannot be reached; must be
    /// the project's name.
    public var acceptLoss: String?

    public init(host: String, acceptLoss: String?) {
        self.host = host
        self.acceptLoss = acceptLoss
    }
}

/// Puts a project, or a path of it, back.
public struct RestoreRequest: Sendable, Codable {
    /// A backup's id or a unique prefix of it; `latest` for the newest.
    public var backup: String
    /// The path in the backup; nil for the whole project.
    public var path: ProjectPath?
    /// Where the path goes; the same path where nil.
    public var destination: ProjectPath?
    public var overwrite: Overwrite
    /// Whether no local state of the host is built on; nil counts as false.
    public var isFromNothing: Bool?
    /// Whether what cannot be read of a whole project is left out; nil counts as false.
    public var isPartial: Bool?
    /// Whether the answer is a `RestorePlan`, and nothing is done; nil counts as false.
    public var isDryRun: Bool?

    public init(
        backup: String, path: ProjectPath?, destination: ProjectPath?, overwrite: Overwrite,
        isFromNothing: Bool? = nil, isPartial: Bool? = nil, isDryRun: Bool? = nil
    ) {
        self.isDryRun = isDryRun
        self.isFromNothing = isFromNothing
        self.isPartial = isPartial
        self.backup = backup
        self.path = path
        self.destination = destination
        self.overwrite = overwrite
    }
}

/// Fills a project from a directory of its host.
public struct ImportRequest: Sendable, Codable {
    /// An absolute path on the host.
    public var directory: String
    public var destination: ProjectPath
    public var isFaithful: Bool

    public init(directory: String, destination: ProjectPath, isFaithful: Bool) {
        self.directory = directory
        self.destination = destination
        self.isFaithful = isFaithful
    }
}

/// Runs a command in a project.
public struct ExecuteRequest: Sendable, Codable {
    public var command: [String]
    public var asRoot: Bool
    /// 1 to 86,400; default 600.
    public var timeoutSeconds: Int?

    public init(command: [String], asRoot: Bool, timeoutSeconds: Int?) {
        self.command = command
        self.asRoot = asRoot
        self.timeoutSeconds = timeoutSeconds
    }
}

/// Deletes a project.
public struct DeleteProjectRequest: Sendable, Codable {
    /// Must be the project's name.
    public var confirm: String

    public init(confirm: String) {
        self.confirm = confirm
    }
}

/// What stock restic needs to open a repository.
public struct RepositoryKeyExport: Sendable, Codable {
    public var repository: RepositoryID
    /// The bucket's kind and where the repository lies in it: a directory, or an S3 URL.
    public var location: String
    public var password: String

    public init(repository: RepositoryID, location: String, password: String) {
        self.repository = repository
        self.location = location
        self.password = password
    }
}
