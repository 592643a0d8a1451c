/// What is known of a bucket's health: a pure value, told of every attempt and its end.
///
/// Time is a `Duration` on a clock that never goes back, so that no change of the wall clock makes
/// a failure last for ever or for no time.
struct BucketCondition: Sendable {
    /// One attempt that was let through: what failed before it began is not its failure.
    struct Pass: Sendable {
        fileprivate let generation: Int
    }

    /// What an attempt may do now.
    enum Admission {
        case go(Pass)
        /// Not before so long.
        case wait(Duration)
        /// The bucket is paused, for this reason.
        case refuse(ObjectStoreError)
    }

    enum Phase {
        case working
        case failing(since: Duration, failures: Int, error: ObjectStoreError, until: Duration)
        case paused(since: Duration, error: ObjectStoreError, nextProbe: Duration)
    }

    let schedule: BucketSchedule
    private(set) var phase = Phase.working
    /// Rises with each failure that counts, and with each success after one.
    private var generation = 0

    init(schedule: BucketSchedule) {
        self.schedule = schedule
    }

    /// An attempt wants to begin.
    ///
    /// - Parameter chance: 0 to 1, what a wait that begins is made longer by within the jitter.
    mutating func admit(at now: Duration, chance: Double) -> Admission {
        switch phase {
        case .working: return .go(Pass(generation: generation))
        case .failing(let since, let failures, let error, let until):
            guard now < until else {
                // One goes and finds out for all; the others see its success, or wait as long again.
                let next = now + schedule.wait(afterFailures: failures, chance: chance)
                phase = .failing(since: since, failures: failures, error: error, until: next)
                return .go(Pass(generation: generation))
            }
            return .wait(until - now)
        case .paused(let since, let error, let nextProbe):
            guard now >= nextProbe else { return .refuse(error) }
            // One goes, and finds out for all.
            phase = .paused(since: since, error: error, nextProbe: now + schedule.probeInterval)
            return .go(Pass(generation: generation))
        }
    }

    /// An attempt reached its end: the bucket works.
    ///
    /// What began before a pause does not end it.
    mutating func succeed(_ pass: Pass) {
        switch phase {
        case .working: return
        case .failing: break
        case .paused: guard pass.generation == generation else { return }
        }
        phase = .working
        generation += 1
    }

    /// An attempt failed in a way that may pass.
    ///
    /// Of many that failed together only the first counts: the others began before its failure.
    /// - Parameters:
    ///   - retryAfter: when the provider wants to be asked again, nil if it did not say.
    ///   - chance: 0 to 1, what the wait is made longer by within the jitter.
    mutating func fail(
        _ pass: Pass, _ error: ObjectStoreError, retryAfter: Duration?, at now: Duration,
        chance: Double
    ) {
        guard pass.generation == generation else { return }
        let (since, failures): (Duration, Int)
        switch phase {
        case .working: (since, failures) = (now, 1)
        case .failing(let begin, let before, _, _): (since, failures) = (begin, before + 1)
        case .paused: return
        }
        generation += 1
        let wait = max(
            schedule.wait(afterFailures: failures, chance: chance), retryAfter ?? .zero)
        phase = .failing(since: since, failures: failures, error: error, until: now + wait)
    }

    /// An attempt failed in a way that every other one will.
    mutating func pause(_ pass: Pass, _ error: ObjectStoreError, at now: Duration) {
        guard pass.generation == generation else { return }
        generation += 1
        if case .paused(let since, _, let nextProbe) = phase {
            phase = .paused(since: since, error: error, nextProbe: nextProbe)
        } else {
            phase = .paused(since: now, error: error, nextProbe: now + schedule.probeInterval)
        }
    }

    /// Forgets everything: the next attempt finds out.
    mutating func resume() {
        phase = .working
        generation += 1
    }
}
