import Shared

/// What becomes of an operation whose lease has ended without success: pure, so that every case is
/// tested without a database.
enum LeaseVerdict: Sendable, Equatable {
    /// It ends with the failure that there is.
    case fails
    /// It ends because somebody asked for it (D14).
    case isCanceled(isConfirmed: Bool)
    /// It is tried again.
    case triesAgain

    /// Its worker reported a failure.
    ///
    /// - Parameters:
    ///   - attempt: which try it was, from 1.
    ///   - maxAttempts: how often it is tried.
    ///   - isCanceled: whether somebody asked it to stop.
    static func failed(
        _ failure: Failure, attempt: Int, maxAttempts: Int, isCanceled: Bool
    ) -> LeaseVerdict {
        if isCanceled { return .isCanceled(isConfirmed: true) }
        return failure.class != .terminal && attempt < maxAttempts ? .triesAgain : .fails
    }

    /// Its worker did not keep the lease up.
    ///
    /// A workflow is gone on with even when it was canceled or failed too often: it has to undo
    /// what it did, and gives up only after all its tries.
    static func takenBack(
        isWorkflow: Bool, attempt: Int, maxAttempts: Int, isCanceled: Bool
    ) -> LeaseVerdict {
        if isCanceled, !isWorkflow { return .isCanceled(isConfirmed: false) }
        return attempt < maxAttempts ? .triesAgain : .fails
    }
}

/// What a request to stop does to an operation that has not ended (D14): pure.
enum CancelVerdict: Sendable, Equatable {
    /// The point of no return is behind it.
    case isTooLate
    /// Nobody works on it, and nothing was done: it ends at once.
    case endsAtOnce
    /// It has begun: it is claimed at once, to undo what it did.
    case isWoken
    /// Somebody works on it, and hears of it.
    case isTold

    /// - Parameters:
    ///   - isCommitted: whether a workflow is past its point of no return; nil for one that has not
    ///     begun, and for a host's work.
    ///   - isQueued: whether nobody holds its lease.
    static func decide(isCommitted: Bool?, isQueued: Bool) -> CancelVerdict {
        if isCommitted == true { return .isTooLate }
        guard isQueued else { return .isTold }
        return isCommitted == nil ? .endsAtOnce : .isWoken
    }
}

/// What becomes of a copy when the operation that applied it ends: pure.
enum CopyVerdict: Sendable, Equatable {
    case ends(CopyState)
    /// It is pending again, unless it has ended; its workflow decides.
    case isPending

    /// - Parameters:
    ///   - state: how the operation ended.
    ///   - isPlaced: whether the destination is still placed where the operation was sent.
    static func applied(_ state: OperationState, isPlaced: Bool) -> CopyVerdict {
        switch state {
        case .succeeded: .ends(.done)
        case .failed where isPlaced: .ends(.failed)
        case .failed, .canceled, .expired, .queued, .running, .waiting: .isPending
        }
    }
}
