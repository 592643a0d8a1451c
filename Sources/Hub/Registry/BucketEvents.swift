import Shared

/// A bucket's settings, grant mode or place as a default changed, or it was tested; all of it as it
/// is from now on.
struct BucketChanged: Codable, Sendable {
    var bucket: BucketID
    var settings: JSONValue
    var grantMode: GrantMode
    var isDefault: Bool
    /// What the last test found; nil when there was none since the bucket was set up elsewhere.
    var test: JSONValue?
}

/// A bucket without repositories is used no longer.
struct BucketRemoved: Codable, Sendable {
    var bucket: BucketID
}

/// A project's backups are to be kept in a bucket that was asked for, rather than in its region's.
struct ProjectRouted: Codable, Sendable {
    var project: ProjectID
    var bucket: BucketID
}
