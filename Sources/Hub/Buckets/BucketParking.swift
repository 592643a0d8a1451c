import Postgres
import Shared

/// What a bucket's trouble means for the operations that need it.
///
/// All users of a bucket share its waits. When it has failed for longer than the patience, or cannot
/// be used before somebody changes something, backups and copies are parked: they hold no lease and
/// no slot, say why, and go on when the bucket works again. Everything else has somebody who
/// waits, such as a move with its project stopped: it fails by name after its tries, and undoes
/// what it did.
enum BucketParking {
    /// The failures that are a bucket's own.
    static let codes: Set<String> = [
        "bucket-unavailable", "bucket-missing", "bucket-full", "bucket-credentials",
        "bucket-clock-skew", "bucket-paused",
    ]

    /// Takes over an operation that failed, and whose lease is given up already.
    ///
    /// - Returns: false when the failure is not a bucket's, or the operation is not to wait.
    static func take(
        _ body: OperationBody, _ tries: OperationTries, _ failure: Failure,
        in change: inout Change
    ) async throws -> Bool {
        guard codes.contains(failure.code), !body.kind.isWorkflow, let project = body.project
        else { return false }
        let health = BucketHealthStore(change.transaction)
        guard let bucket = try await health.bucket(of: project) else { return false }
        if failure.code != "bucket-paused" {
            try await health.fails(
                bucket, code: failure.code, reason: failure.message,
                isPausing: failure.class == .pausesBucket)
        }
        switch try await health.rootKind(of: body) {
        case .backup, .copy: break
        default: return false
        }
        let transitions = OperationTransitions(change.transaction)
        let trouble = try await health.trouble(of: bucket, holding: true)
        if let trouble, trouble.isPaused || trouble.failing >= change.bucketPatience {
            try await transitions.park(
                body.id, tries, reason: .bucket,
                sentence: "bucket \(trouble.name) fails since \(trouble.since): \(trouble.reason); "
                    + "it goes on when the bucket works again",
                wakeAfterMilliseconds: nil)
            try await health.waits(body.id, for: bucket)
        } else {
            // Where it worked again meanwhile: at once.
            try await transitions.delay(
                body.id, tries, milliseconds: trouble?.wait.milliseconds ?? 0, reason: .backoff,
                sentence: "bucket \(trouble?.name ?? "") failed: \(failure.message)")
        }
        try await transitions.releaseSlots(of: body.id)
        change.lanes.insert(body.lane)
        return true
    }

    /// Notes that a bucket works, because something could be stored in it.
    static func works(_ bucket: BucketID, in change: inout Change) async throws {
        let waiting = try await BucketHealthStore(change.transaction).works(bucket)
        for operation in waiting ?? [] { try await change.wake(operation) }
    }

    /// Notes what an operation's success says of its bucket.
    static func succeeded(_ body: OperationBody, in change: inout Change) async throws {
        guard body.kind == .volumeBackup, let project = body.project,
            let bucket = try await BucketHealthStore(change.transaction).bucket(of: project)
        else { return }
        try await works(bucket, in: &change)
    }
}

extension OperationService {
    /// Lets everything go on that waits for a bucket.
    func bucketWorks(_ bucket: BucketID) async throws {
        try await ChangeRunner(pool: pool, bell: bell).run { change in
            try await BucketParking.works(bucket, in: &change)
        }
    }
}
