/// How a backup found out what changed, and what that cost.
public struct BackupDetection: Sendable, Codable, Hashable {
    /// How changes were found.
    public enum Method: String, Sendable, Codable, CaseIterable {
        /// By what the file system has written since the base.
        case changes
        /// By comparing all metadata with the base.
        case comparison
        /// Everything was read.
        case full
    }

    /// The reason, and the code of the failure, where an audit found that a change was missed.
    public static let auditMismatch = "audit-mismatch"

    public var method: Method
    /// Why it was not `changes`: a word for metrics, and a sentence.
    public var reason: String?
    public var detail: String?
    /// Inodes whose metadata was compared, and how many of them differed.
    public var comparedInodes: Int64 = 0
    public var changedInodes: Int64 = 0
    /// Directories whose trees were made anew.
    public var rebuiltDirectories: Int64 = 0
    /// Bytes of files that were read.
    public var readBytes: Int64 = 0
    /// Whether everything was read besides, and was found to be the same; nil where it was not.
    public var isAudited: Bool?

    public init(method: Method, reason: String? = nil, detail: String? = nil) {
        self.method = method
        self.reason = reason
        self.detail = detail
    }
}
