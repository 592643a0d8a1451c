import Btrfs
import Glibc
import HTTP
import ObjectStore
import Platform
import Repository
import SQLite
import Shared

/// Turns an error into what the hub and people are told: code, message, way out, and whether
/// trying again may help.
enum FailureTranslation {
    static func failure(of error: any Error) -> Failure {
        switch error {
        case let failure as Failure: failure
        case let error as AgentError: agent(error)
        case let error as ObjectStoreError: store(error)
        case let error as RepositoryError: repository(error)
        case let error as PlatformError: system(error)
        case let error as DeadlineExceeded:
            Failure(code: "deadline-exceeded", message: "\(error)", class: .retryable)
        case let error as DecodingError:
            Failure(code: "input-invalid", message: "the operation's input: \(error)")
        case let error as BtrfsError where error.code == .noSpace: full(error)
        case let error as BtrfsError:
            Failure(
                code: "filesystem-failed", message: "\(error)",
                hint: "look at the host's file system and kernel log", class: .retryable)
        default:
            Failure(code: "host-failed", message: "\(error)", class: .retryable)
        }
    }

    /// Whether the hub said that the lease is gone, by itself or for an object.
    static func isLeaseLost(_ error: any Error) -> Bool {
        switch error {
        case let error as AgentError: error.code == .leaseLost
        case let error as ObjectStoreError: error.code == .leaseLost
        case let error as RepositoryError: error.cause.map(isLeaseLost) ?? false
        default: false
        }
    }

    private static func agent(_ error: AgentError) -> Failure {
        switch error.code {
        case .unreachable where (error.cause as? Problem)?.code.hasPrefix("bucket-") == true:
            bucket(error)
        case .unreachable:
            Failure(code: "hub-unreachable", message: "\(error)", class: .retryable)
        case .refused:
            refusal(error)
        case .storage: Failure(code: "storage-trouble", message: "\(error)", class: .retryable)
        case .usage, .configuration, .identity, .ledger, .protocolViolation, .leaseLost:
            Failure(code: "host-failed", message: "\(error)", class: .retryable)
        }
    }

    /// What is lost is stored anew, by the next try at the latest.
    private static func refusal(_ error: AgentError) -> Failure {
        let code = (error.cause as? Problem)?.code ?? "hub-refused"
        return Failure(
            code: code, message: error.message,
            class: code == Problem.packsLost ? .retryable : .terminal)
    }

    /// What the hub said of the bucket, which its own store said to it.
    private static func bucket(_ error: AgentError) -> Failure {
        let problem = error.cause as? Problem
        let code = problem?.code ?? "bucket-unavailable"
        return Failure(
            code: code, message: problem?.detail ?? error.message, hint: problem?.hint,
            class: pausing.contains(code) ? .pausesBucket : .retryable)
    }

    /// What nothing in the bucket succeeds after until somebody mends it.
    private static let pausing: Set<String> = [
        "bucket-missing", "bucket-full", "bucket-credentials", "bucket-clock-skew", "bucket-paused",
    ]

    private static func store(_ error: ObjectStoreError) -> Failure {
        switch error.code {
        case .unavailable:
            Failure(code: "bucket-unavailable", message: "\(error)", class: .retryable)
        case .hubUnavailable:
            Failure(code: "hub-unreachable", message: "\(error)", class: .retryable)
        case .digest, .failed:
            Failure(code: "bucket-failed", message: "\(error)", class: .retryable)
        case .full:
            Failure(
                code: "bucket-full", message: "\(error)",
                hint: "make room in the bucket, then berth bucket test",
                class: .pausesBucket)
        case .bucketMissing:
            Failure(
                code: "bucket-missing", message: "\(error)",
                hint: "mount or recreate the bucket's directory on the hub",
                class: .pausesBucket)
        case .credentialsRefused, .clockSkew:
            Failure(
                code: error.code == .clockSkew ? "bucket-clock-skew" : "bucket-credentials",
                message: "\(error)",
                hint: "berth bucket test says what is wrong with it", class: .pausesBucket)
        case .notFound, .alreadyExists, .outOfRange:
            Failure(
                code: "repository-damaged", message: "\(error)",
                hint: "check the repository with restic check")
        case .denied, .notAllowed, .leaseLost, .invalidName, .limitExceeded, .invalidConfiguration:
            Failure(code: "bucket-denied", message: "\(error)")
        }
    }

    private static func repository(_ error: RepositoryError) -> Failure {
        switch error.code {
        case .corrupt, .missing, .wrongKey, .unsupported:
            Failure(
                code: "repository-damaged", message: "\(error)",
                hint: "check the repository with restic check")
        case .store:
            error.cause.map(failure(of:))
                ?? Failure(code: "bucket-unavailable", message: "\(error)", class: .retryable)
        case .fileSystem:
            (error.cause as? PlatformError).map(system)
                ?? Failure(code: "host-failed", message: "\(error)", class: .retryable)
        case .alreadyExists, .locked, .limitExceeded, .invalidInput, .library,
            .verificationFailed:
            Failure(code: "repository-failed", message: "\(error)")
        }
    }

    private static func full(_ error: any Error) -> Failure {
        Failure(
            code: "host-full", message: "\(error)",
            hint: "free space on the host, or move a project away", class: .retryable)
    }

    private static func system(_ error: PlatformError) -> Failure {
        switch error.errno {
        case ENOSPC, EDQUOT: full(error)
        case EROFS:
            Failure(
                code: "storage-trouble", message: "\(error)",
                hint: "the host's file system went read-only; look at its kernel log",
                class: .retryable)
        default:
            Failure(code: "host-failed", message: "\(error)", class: .retryable)
        }
    }
}
