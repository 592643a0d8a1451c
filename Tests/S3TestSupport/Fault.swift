/// What a provider or the way to it does wrong with one request.
public enum Fault: Sendable, Hashable {
    /// Refuses with this status and S3 code; nothing happens.
    case refuse(status: Int, code: String)
    /// Does what was asked, and answers with this status and S3 code all the same.
    case refuseAfter(status: Int, code: String)
    /// Resets the connection before anything happened.
    case resetBefore
    /// Does what was asked, and resets the connection instead of answering.
    case resetAfter
    /// Answers, and ends in the middle of the body; in the middle of the head where there is none.
    case truncate
    /// Does what was asked, answers half, and then nothing more.
    case stall
    /// Changes one bit of the answer's body, or where there is none of the request's.
    case wrongBytes
    /// Does what was asked twice, and gives the second answer.
    case duplicate
    /// Acknowledges without doing anything; reads are answered as they should be.
    case acknowledgeAndLose
    /// Gives a listing as if the bucket were empty.
    case staleList
    /// Gives each entry of a listing twice.
    case listTwice
    /// Gives a listing that never ends: always the same page, and one more token.
    case listLoop
    /// Sends the client to another address.
    case redirect(to: String)

    /// One of every kind that passes with a repetition or is told apart from success.
    public static let all: [Fault] = [
        .refuse(status: 500, code: "InternalError"), .refuse(status: 503, code: "SlowDown"),
        .refuse(status: 403, code: "AccessDenied"),
        .refuseAfter(status: 500, code: "InternalError"), .resetBefore, .resetAfter, .truncate,
        .stall, .wrongBytes, .duplicate, .acknowledgeAndLose, .staleList, .listTwice, .listLoop,
        .redirect(to: "http://169.254.169.254/"),
    ]
}

/// A request that a fault proxy passes on or spoils.
public struct ProxiedRequest: Sendable, Hashable {
    /// Which one it is since the proxy began, from 1.
    public let number: Int
    /// The method.
    public let method: String
    /// Path and query as they were sent.
    public let target: String

    /// Whether it asks for a page of a listing.
    public var isListing: Bool { target.contains("list-type=2") }
}
