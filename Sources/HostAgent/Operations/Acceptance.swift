import Shared

/// What becomes of an operation that a lease brought, given what the ledger knows (D7).
///
/// Pure, so that every combination is tested without a database.
enum Acceptance: Sendable, Equatable {
    /// It is worked on.
    case run
    /// It ended here before: the stored outcome is reported again, under the new lease.
    case answer(OperationOutcome)
    /// The lease is older than one that was accepted: nothing is done and nothing is said.
    case stale
    /// It ends with this failure.
    case refuse(Failure)

    /// What the ledger knows of the same operation.
    struct Known: Sendable, Equatable {
        var epoch: Int64
        var outcome: OperationOutcome?
    }

    /// Decides.
    ///
    /// - Parameters:
    ///   - operation: what the lease brought.
    ///   - volume: the volume that it names, nil when it names none.
    ///   - known: what the ledger knows of the same operation, if anything.
    ///   - record: what the ledger knows of the volume, if anything.
    ///   - guardEpoch: the highest guard of the project that was ever seen here, 0 for none.
    static func decide(
        _ operation: LeasedOperation, volume: VolumeReference?, known: Known?,
        record: VolumeRecord?, guardEpoch: Int64
    ) -> Acceptance {
        if volume != nil, operation.epoch < guardEpoch { return .stale }
        if let known {
            if operation.epoch < known.epoch { return .stale }
            if let outcome = known.outcome {
                // The same lease again: its report is in the outbox, or applied already.
                if operation.epoch == known.epoch { return .stale }
                if let answer = final(outcome, epoch: operation.epoch) { return .answer(answer) }
            }
        }
        guard let volume, let record else { return .run }
        if volume.generation < record.generation, operation.kind != .volumeRetire {
            return .refuse(
                Failure(
                    code: "generation-outdated",
                    message: "project \(volume.project) is of generation \(record.generation) "
                        + "here, and the order is of \(volume.generation)",
                    hint: "it was placed anew since; the hub's placement decides"))
        }
        return .run
    }

    /// The outcome under a new lease, when trying again could not change it.
    private static func final(_ outcome: OperationOutcome, epoch: Int64) -> OperationOutcome? {
        guard outcome.isFinal, outcome.state != .canceled else { return nil }
        var answer = outcome
        answer.epoch = epoch
        return answer
    }
}

extension OperationOutcome {
    /// Whether the operation is not tried again here.
    var isFinal: Bool { state != .failed || failure?.class == .terminal }
}

extension OperationKind {
    /// Whether a lease of this kind makes every older lease of the project's stale.
    var raisesGuard: Bool {
        switch self {
        case .volumeRestore, .volumeRetire, .volumeThaw: true
        case .start, .stop, .backup, .restore, .move, .copy, .delete, .importTree, .execute,
            .check, .forget, .prune, .repair, .rekey, .drain, .batch, .hostCheck, .hostInventory,
            .volumeCreate, .volumeBackup, .volumeApply, .volumeImport,
            .volumeExecute, .runtimeStart, .runtimeStop:
            false
        }
    }
}
