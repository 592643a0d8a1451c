/// Where a copy stands.
public enum CopyState: String, Sendable, Codable, CaseIterable {
    case pending
    case applying
    case done
    case failed
    case canceled
    /// A later copy to the same path took its place.
    case superseded
    case expired
}

/// Copies a path of one project into others.
public struct CreateCopyRequest: Sendable, Codable {
    /// The source project, by name or id.
    public var source: String
    public var path: ProjectPath
    /// The destination projects, by name or id; 1 to 1,000.
    public var destinations: [String]
    /// The same path as the source where nil.
    public var destinationPath: ProjectPath?
    public var overwrite: Overwrite
    /// A backup of the source to copy from; where nil, one is made, or the newest is taken where the
    /// source's host is offline and has said that this one holds everything.
    public var backup: String?

    public init(
        source: String, path: ProjectPath, destinations: [String], destinationPath: ProjectPath?,
        overwrite: Overwrite, backup: String?
    ) {
        self.source = source
        self.path = path
        self.destinations = destinations
        self.destinationPath = destinationPath
        self.overwrite = overwrite
        self.backup = backup
    }
}

/// A path of one project on its way into another.
public struct CopyDescription: Sendable, Codable, Hashable {
    public var id: CopyID
    public var operation: OperationID
    public var source: ProjectID
    public var sourceName: String
    public var path: ProjectPath
    public var destination: ProjectID
    public var destinationName: String
    public var destinationPath: ProjectPath
    public var backup: BackupID
    public var state: CopyState
    public var overwrite: Overwrite
    /// Why it is not done, in a sentence.
    public var reason: String?
    public var createdAt: Timestamp
    public var expiresAt: Timestamp
    public var finishedAt: Timestamp?

    public init(
        id: CopyID, operation: OperationID, source: ProjectID, sourceName: String,
        path: ProjectPath, destination: ProjectID, destinationName: String,
        destinationPath: ProjectPath, backup: BackupID, state: CopyState, overwrite: Overwrite,
        reason: String?, createdAt: Timestamp, expiresAt: Timestamp, finishedAt: Timestamp?
    ) {
        self.id = id
        self.operation = operation
        self.source = source
        self.sourceName = sourceName
        self.path = path
        self.destination = destination
        self.destinationName = destinationName
        self.destinationPath = destinationPath
        self.backup = backup
        self.state = state
        self.overwrite = overwrite
        self.reason = reason
        self.createdAt = createdAt
        self.expiresAt = expiresAt
        self.finishedAt = finishedAt
    }
}
