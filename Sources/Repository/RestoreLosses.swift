import Glibc
import Platform

/// What a restore leaves out because it cannot be read, where that was allowed.
///
/// Nothing half is written: a file without one of its chunks is not made at all, and a directory
/// whose tree is gone is made empty.
public final class RestoreLosses: Sendable {
    /// One of them.
    public struct Loss: Sendable, Hashable {
        /// The path as text.
        public let path: String
        /// What is wrong, with the object's name.
        public let reason: String
    }

    /// So many are kept by name.
    public static let limit = 1_000

    private let state = Locked<(losses: [Loss], count: Int)>(([], 0))

    /// Nothing lost yet.
    public init() {}

    /// The first of them.
    public var all: [Loss] { state.withLock { $0.losses } }
    /// How many there are.
    public var count: Int { state.withLock { $0.count } }

    /// For people, one line each; the last one says how many more there are.
    public var texts: [String] {
        let (losses, count) = state.withLock { $0 }
        let lines = losses.sorted { $0.path < $1.path }.map { "\($0.path): \($0.reason)" }
        return count > losses.count ? lines + ["and \(count - losses.count) more"] : lines
    }

    /// Whether a link could not be made because its file was left out.
    func takeLink(_ error: any Error, at path: String) -> Bool {
        guard (error as? PlatformError)?.errno == ENOENT, count > 0 else { return false }
        return take(
            RepositoryError(
                code: .missing(object: path), message: "one more name of a file that is left out"),
            at: path)
    }

    /// Whether an error is one that leaves something out; it is then noted.
    func take(_ error: any Error, at path: String) -> Bool {
        guard let error = error as? RepositoryError else { return false }
        switch error.code {
        case .corrupt, .missing: break
        case .wrongKey, .unsupported, .alreadyExists, .locked, .limitExceeded, .invalidInput,
            .store, .fileSystem, .library, .verificationFailed:
            return false
        }
        state.withLock { state -> Void in
            state.count += 1
            if state.losses.count < Self.limit {
                state.losses.append(Loss(path: path, reason: "\(error)"))
            }
        }
        return true
    }
}
