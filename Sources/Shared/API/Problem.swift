/// A refusal (RFC 9457, `application/problem+json`).
public struct Problem: Error, Sendable, Codable, Hashable {
    /// A URI reference that names the problem type: `/problems/<code>`.
    public var type: String
    public var title: String
    /// The HTTP status.
    public var status: Int
    /// What exactly is wrong with this request.
    public var detail: String
    /// A stable word, such as `project-not-found`.
    public var code: String
    /// What to do about it.
    public var hint: String?
    /// Names or identifiers that the caller may have meant.
    public var candidates: [String]?
    /// The operation that stands in the way.
    public var operation: OperationID?
    public var requestID: String?
    /// The packs that the bucket does not have, as 64 hexadecimal digits each.
    public var packs: [String]?

    /// The word of a commit that names packs which are not in the bucket, or not whole.
    public static let packsLost = "packs-lost"

    public init(
        status: Int, code: String, title: String, detail: String, hint: String? = nil,
        candidates: [String]? = nil, operation: OperationID? = nil, packs: [String]? = nil
    ) {
        type = "/problems/\(code)"
        self.status = status
        self.code = code
        self.title = title
        self.detail = detail
        self.hint = hint
        self.candidates = candidates
        self.operation = operation
        self.packs = packs
    }
}
