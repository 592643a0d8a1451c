public import Platform

/// What one bucket's failures mean for everybody who uses it: waits that are shared, and a pause
/// when nothing can succeed. All stores of one bucket in a process share one; other buckets have
/// their own, and are not held up.
public actor BucketHealth {
    /// How a bucket is doing.
    public enum State: Sendable, Equatable {
        /// The last attempt reached its end, or none was made.
        case working
        /// Attempts fail in a way that may pass; the next one begins after `retryIn`.
        case failing(since: UTCTime, failures: Int, reason: String, retryIn: Duration)
        /// Nothing can succeed until somebody mends it: no such bucket, credentials refused, clocks
        /// apart. One attempt is made every minute.
        case paused(since: UTCTime, reason: String)
    }

    typealias Pass = BucketCondition.Pass

    /// The waits between attempts.
    public nonisolated let schedule: BucketSchedule

    private var condition: BucketCondition
    private let now: @Sendable () -> Duration

    /// - Parameter schedule: the waits between attempts.
    public init(schedule: BucketSchedule = BucketSchedule()) {
        let clock = ContinuousClock()
        let start = clock.now
        self.init(schedule: schedule, now: { clock.now - start })
    }

    /// - Parameter now: a clock that never goes back.
    init(schedule: BucketSchedule, now: @escaping @Sendable () -> Duration) {
        self.schedule = schedule
        condition = BucketCondition(schedule: schedule)
        self.now = now
    }

    /// How the bucket is doing now.
    public func state() -> State {
        let now = now()
        switch condition.phase {
        case .working: return .working
        case .failing(let since, let failures, let error, let until):
            return .failing(
                since: wallTime(of: since, now), failures: failures, reason: error.description,
                retryIn: max(.zero, until - now))
        case .paused(let since, let error, _):
            return .paused(since: wallTime(of: since, now), reason: error.description)
        }
    }

    /// How long nothing has succeeded although it was tried, nil while the bucket works; measured on
    /// a clock that never goes back.
    public func failingFor() -> Duration? {
        switch condition.phase {
        case .working: nil
        case .failing(let since, _, _, _), .paused(let since, _, _): now() - since
        }
    }

    /// Forgets failures and a pause, as after the bucket was mended: the next attempt finds out.
    public func resume() {
        condition.resume()
    }

    /// Waits until an attempt may begin.
    ///
    /// - Parameter limit: how long at most; a longer wait fails at once.
    /// - Throws: what paused the bucket, or what the last attempt failed with, when it is not tried
    ///   now; `CancellationError`.
    func admit(waitingAtMost limit: Duration) async throws -> Pass {
        let end = now() + limit
        while true {
            let moment = now()
            switch condition.admit(at: moment, chance: Self.chance()) {
            case .go(let pass): return pass
            case .refuse(let error): throw error
            case .wait(let time):
                if moment + time > end,
                    case .failing(_, _, let error, _) = condition.phase
                {
                    throw error
                }
                // Not in one piece: another's success ends the waiting of all.
                try await ContinuousClock().sleep(for: min(time, .milliseconds(500)))
            }
        }
    }

    /// Tells how an attempt ended; nil: well.
    func end(_ pass: Pass, _ error: ObjectStoreError?) {
        guard let error else { return condition.succeed(pass) }
        switch error.failureClass {
        case .retryable:
            let retryAfter = (error.cause as? S3Refusal)?.retryAfter
            condition.fail(
                pass, error, retryAfter: retryAfter, at: now(), chance: Self.chance())
        case .pausing: condition.pause(pass, error, at: now())
        case .terminal:
            // The provider answered as it should: what is missing is no failure of the bucket.
            switch error.code {
            case .notFound, .alreadyExists, .outOfRange, .limitExceeded: condition.succeed(pass)
            case .denied, .notAllowed, .full, .digest, .invalidName, .leaseLost,
                .invalidConfiguration, .failed, .unavailable, .hubUnavailable, .bucketMissing,
                .credentialsRefused, .clockSkew:
                break
            }
        }
    }

    /// What jitter is drawn with, 0 to 1.
    static func chance() -> Double { Double(Random.bytes(1)[0]) / 256 }

    private func wallTime(of moment: Duration, _ now: Duration) -> UTCTime {
        let ago = (now - moment) / .milliseconds(1)
        return UTCTime(
            millisecondsSinceEpoch: UTCTime.now().millisecondsSinceEpoch - Int64(ago))
    }
}
