import HTTP
import ObjectStore
import Postgres
import Repository
import Shared

/// The problems that the API answers with in more than one place.
extension Problem {
    static let unauthorized = Problem(
        status: 401, code: "unauthorized", title: "A valid token is needed",
        detail: "the request carries no token, or one that is unknown, expired or revoked",
        hint: "log in with berth login")
    static let forbidden = Problem(
        status: 403, code: "forbidden", title: "The token does not allow this",
        detail: "this token is for another kind of caller")
    static let leaseLost = Problem(
        status: 409, code: "lease-lost", title: "The lease of this operation is lost",
        detail: "another lease of the operation was given out, or it has ended")

    static func notFound(_ what: String) -> Problem {
        Problem(
            status: 404, code: "not-found", title: "There is nothing here", detail: what,
            hint: "GET /v1 lists what the server can do")
    }

    static func invalidParameter(_ name: String, _ rule: String) -> Problem {
        Problem(
            status: 400, code: "invalid-parameter", title: "A parameter is wrong",
            detail: "\(name) \(rule)")
    }

    static func invalidBody(_ error: DecodingError) -> Problem {
        let place: String
        let reason: String
        switch error {
        case .keyNotFound(let key, let context):
            place = (context.codingPath + [key]).map(\.stringValue).joined(separator: ".")
            reason = "is missing"
        case .typeMismatch(_, let context), .valueNotFound(_, let context),
            .dataCorrupted(let context):
            place = context.codingPath.map(\.stringValue).joined(separator: ".")
            reason = context.debugDescription
        @unknown default:
            place = ""
            reason = "cannot be read"
        }
        return Problem(
            status: 400, code: "invalid-body", title: "The request's body is wrong",
            detail: place.isEmpty ? reason : "\(place): \(reason)")
    }

    /// What a thrown error is to the caller; errors of the hub itself tell no details.
    init(of error: any Error) {
        switch error {
        case let problem as Problem:
            self = problem
        case let error as HTTPError where error.code == .tooLarge:
            self = Problem(
                status: 413, code: "too-large", title: "The body is too large",
                detail: error.message)
        case let error as InvalidPath:
            self = Problem(
                status: 400, code: "invalid-path", title: "The path is not usable",
                detail: error.description)
        case let failure as Failure:
            self = Problem(
                status: 409, code: failure.code, title: "The request is refused",
                detail: failure.message, hint: failure.hint)
        case let conflict as RegistryConflict:
            self = Problem(
                status: 409, code: "conflict", title: "The registry has changed meanwhile",
                detail: conflict.description, hint: "look again and repeat the request")
        case let error as ObjectStoreError:
            self = Problem(of: error)
        case let error as HubError:
            self = Problem(
                status: 503, code: "hub-trouble", title: "The hub cannot do this now",
                detail: error.message, hint: error.hint)
        case let error as RepositoryError where error.code == .store && error.cause != nil:
            self = Problem(of: error.cause ?? error)
        case let error as RepositoryError:
            self = Problem(
                status: 500, code: "repository-error",
                title: "The repository is not as it should be",
                detail: "\(error)", hint: "check the bucket")
        case is PostgresError:
            self = Problem(
                status: 503, code: "database-unavailable", title: "The database does not answer",
                detail: "the hub cannot use its database now",
                hint: "try again; the hub's log has the reason")
        default:
            self = Problem(
                status: 500, code: "internal", title: "The hub failed",
                detail: "an unexpected error; the hub's log has it under this request's id")
        }
    }

    private init(of error: ObjectStoreError) {
        let (status, code, hint): (Int, String, String?) =
            switch error.code {
            case .notFound: (404, "object-not-found", nil)
            case .alreadyExists: (409, "object-exists", nil)
            case .digest: (422, "digest-mismatch", "send the object again")
            case .full: (507, "bucket-full", "make room in the bucket, then berth bucket test")
            case .bucketMissing: (503, "bucket-missing", "mount or restore the bucket's directory")
            case .invalidName: (400, "invalid-object-name", nil)
            case .limitExceeded: (413, "too-large", nil)
            case .outOfRange: (416, "out-of-range", nil)
            case .denied, .notAllowed: (403, "bucket-denied", "check the bucket's permissions")
            case .leaseLost: (409, "lease-lost", nil)
            case .credentialsRefused:
                (503, "bucket-credentials", "give the bucket credentials that its provider knows")
            case .clockSkew: (503, "bucket-clock-skew", "set the clock of the hub's machine")
            case .invalidConfiguration: (400, "invalid-bucket", nil)
            case .unavailable, .hubUnavailable: (503, "bucket-unavailable", "try again")
            case .failed: (500, "bucket-failed", "check the bucket")
            }
        self = Problem(
            status: status, code: code, title: "The bucket refused", detail: error.description,
            hint: hint)
    }
}
