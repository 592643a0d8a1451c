/// Tells identifiers of a project from others.
public enum ProjectIdentity: IdentifierKind {
    public static let prefix = "project"
}

/// The identity of a project.
public typealias ProjectID = Identifier<ProjectIdentity>

/// Tells identifiers of a host from others.
public enum HostIdentity: IdentifierKind {
    public static let prefix = "host"
}

/// The identity of a host.
public typealias HostID = Identifier<HostIdentity>

/// Tells identifiers of an operation from others.
public enum OperationIdentity: IdentifierKind {
    public static let prefix = "operation"
}

/// The identity of an operation.
public typealias OperationID = Identifier<OperationIdentity>

/// Tells identifiers of a backup from others.
public enum BackupIdentity: IdentifierKind {
    public static let prefix = "backup"
}

/// The identity of a backup.
public typealias BackupID = Identifier<BackupIdentity>

/// Tells identifiers of a bucket from others.
public enum BucketIdentity: IdentifierKind {
    public static let prefix = "bucket"
}

/// The identity of a bucket.
public typealias BucketID = Identifier<BucketIdentity>

/// Tells identifiers of a repository from others.
public enum RepositoryIdentity: IdentifierKind {
    public static let prefix = "repository"
}

/// The identity of a repository.
public typealias RepositoryID = Identifier<RepositoryIdentity>

/// Tells identifiers of a copy from others.
public enum CopyIdentity: IdentifierKind {
    public static let prefix = "copy"
}

/// The identity of a copy.
public typealias CopyID = Identifier<CopyIdentity>

/// Tells identifiers of one run of a worker process from others.
public enum SessionIdentity: IdentifierKind {
    public static let prefix = "session"
}

/// The identity of one run of a worker process.
public typealias SessionID = Identifier<SessionIdentity>

/// Tells identifiers of an agent's SQLite database from others.
public enum LedgerIdentity: IdentifierKind {
    public static let prefix = "ledger"
}

/// The identity of an agent's SQLite database.
public typealias LedgerID = Identifier<LedgerIdentity>

/// Tells identifiers of a history of the hub's database from others.
public enum TimelineIdentity: IdentifierKind {
    public static let prefix = "timeline"
}

/// The identity of a history of the hub's database.
public typealias TimelineID = Identifier<TimelineIdentity>

/// Tells identifiers of a bearer or join token from others.
public enum TokenIdentity: IdentifierKind {
    public static let prefix = "token"
}

/// The identity of a bearer or join token.
public typealias TokenID = Identifier<TokenIdentity>

/// Tells identifiers of a schedule from others.
public enum ScheduleIdentity: IdentifierKind {
    public static let prefix = "schedule"
}

/// The identity of a schedule.
public typealias ScheduleID = Identifier<ScheduleIdentity>

/// Tells identifiers of a btrfs file system from others.
public enum FilesystemIdentity: IdentifierKind {
    public static let prefix = "filesystem"
}

/// The identity of a btrfs file system.
public typealias FilesystemID = Identifier<FilesystemIdentity>

/// Tells identifiers of one HTTP or lease request from others.
public enum RequestIdentity: IdentifierKind {
    public static let prefix = "request"
}

/// The identity of one HTTP or lease request.
public typealias RequestID = Identifier<RequestIdentity>
