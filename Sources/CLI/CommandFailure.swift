import Shared

/// Why a command ends without having done its work: the one error type of this module.
struct CommandFailure: Error, Sendable, Equatable {
    /// What the process exits with.
    var exitCode: ExitCode
    /// A stable word for programs, such as `ambiguous`.
    var code: String
    /// What is wrong, with the thing's name.
    var message: String
    /// What to do about it.
    var hint: String?
    /// What the caller may have meant.
    var candidates: [String] = []
    /// The operation that it is about.
    var operation: OperationID?
    /// The HTTP status, where the hub answered.
    var status: Int?

    init(
        _ exitCode: ExitCode, code: String, _ message: String, hint: String? = nil,
        candidates: [String] = [], operation: OperationID? = nil
    ) {
        self.exitCode = exitCode
        self.code = code
        self.message = message
        self.hint = hint
        self.candidates = candidates
        self.operation = operation
    }

    /// Wrong use of the command line.
    static func usage(_ message: String, hint: String? = nil) -> CommandFailure {
        CommandFailure(.usage, code: "usage", message, hint: hint)
    }

    /// The hub's refusal in this module's words.
    init(_ problem: Problem) {
        exitCode = CommandFailure.exitCode(status: problem.status, code: problem.code)
        code = problem.code
        message = problem.detail.isEmpty ? problem.title : problem.detail
        hint = problem.hint
        if hint == nil, exitCode == .notAllowed {
            hint = "log in with: berth login --hub URL --token-file FILE --name NAME"
        }
        candidates = problem.candidates ?? []
        operation = problem.operation
        status = problem.status
    }

    /// The exit code of an HTTP status, unless the problem's own code says more.
    static func exitCode(status: Int, code: String) -> ExitCode {
        if code == "ambiguous" { return .usage }
        if code == "confirmation-needed" { return .confirmationNeeded }
        switch status {
        case 400, 405, 406, 411, 413, 414, 415, 431: return .usage
        case 401, 403: return .notAllowed
        case 404, 410: return .notFound
        case 409, 412, 422, 423, 428, 507: return .refused
        case 429: return .throttled
        case 502, 503, 504: return .unreachable
        default: return .otherFailure
        }
    }
}
