import Platform
import Testing

@testable import ObjectStore

/// When a failing bucket is tried again, and by whom.
@Suite(.timeLimit(.minutes(1)))
struct BucketHealthTests {
    private static let down = ObjectStoreError(code: .unavailable, message: "down")
    private static let gone = ObjectStoreError(code: .bucketMissing, message: "gone")

    private func pass(_ condition: inout BucketCondition, at now: Duration) -> BucketCondition.Pass?
    {
        if case .go(let pass) = condition.admit(at: now, chance: 0) { return pass }
        return nil
    }

    private func wait(
        _ condition: inout BucketCondition, at now: Duration
    ) -> Duration? {
        if case .wait(let time) = condition.admit(at: now, chance: 0) { return time }
        return nil
    }

    @Test("The waits are 0, 5, 10, 20, 40, 60 and 60 seconds, and one success forgets them")
    func schedule() throws {
        var condition = BucketCondition(schedule: BucketSchedule())
        var now = Duration.zero
        for expected in [0, 5, 10, 20, 40, 60, 60, 60] {
            let pass = try #require(pass(&condition, at: now))
            condition.fail(pass, Self.down, retryAfter: nil, at: now, chance: 0)
            if expected > 0 {
                #expect(wait(&condition, at: now) == .seconds(expected))
                #expect(wait(&condition, at: now + .seconds(expected - 1)) == .seconds(1))
            }
            now += .seconds(expected)
        }
        let last = try #require(pass(&condition, at: now))
        condition.succeed(last)
        let next = try #require(pass(&condition, at: now))
        condition.fail(next, Self.down, retryAfter: nil, at: now, chance: 0)
        #expect(self.pass(&condition, at: now) != nil, "the first wait is none again")
    }

    @Test("Many that fail together are one failure, and all of them wait")
    func shared() throws {
        var condition = BucketCondition(schedule: BucketSchedule())
        let first = try #require(pass(&condition, at: .zero))
        condition.fail(first, Self.down, retryAfter: nil, at: .zero, chance: 0)
        let passes = try (0..<3).map { _ in try #require(pass(&condition, at: .zero)) }
        for pass in passes {
            condition.fail(pass, Self.down, retryAfter: nil, at: .seconds(1), chance: 0)
        }
        for _ in 0..<3 { #expect(wait(&condition, at: .seconds(1)) == .seconds(5)) }
        guard case .failing(let since, let failures, _, _) = condition.phase else {
            Issue.record("it fails")
            return
        }
        #expect(failures == 2)
        #expect(since == .zero)
    }

    @Test("Jitter makes a wait longer by a fifth at most, and never shorter")
    func jitter() throws {
        for (chance, expected) in [(0, 5000), (0.5, 5500), (1, 6000)] {
            var condition = BucketCondition(schedule: BucketSchedule())
            for _ in 0..<2 {
                let pass = try #require(pass(&condition, at: .zero))
                condition.fail(pass, Self.down, retryAfter: nil, at: .zero, chance: chance)
            }
            #expect(wait(&condition, at: .zero) == .milliseconds(expected))
            // It is drawn once: who asks again later has no other end of it.
            #expect(wait(&condition, at: .seconds(4)) == .milliseconds(expected - 4000))
            #expect(wait(&condition, at: .milliseconds(expected - 1)) == .milliseconds(1))
            #expect(pass(&condition, at: .milliseconds(expected)) != nil)
        }
    }

    @Test("Who waits for a bucket comes back at another moment than others, within the jitter")
    func spread() async throws {
        var retries: Set<Duration> = []
        for _ in 0..<8 {
            let health = BucketHealth(schedule: BucketSchedule(), now: { .zero })
            for _ in 0..<2 {
                let pass = try await health.admit(waitingAtMost: .zero)
                await health.end(pass, Self.down)
            }
            guard case .failing(_, _, _, let retryIn) = await health.state() else {
                Issue.record("it fails")
                return
            }
            #expect(retryIn >= .seconds(5) && retryIn <= .seconds(6))
            retries.insert(retryIn)
        }
        #expect(retries.count > 1)
    }

    @Test("A provider that says when to come back is heeded")
    func retryAfter() throws {
        var condition = BucketCondition(schedule: BucketSchedule())
        let pass = try #require(pass(&condition, at: .zero))
        condition.fail(pass, Self.down, retryAfter: .seconds(30), at: .zero, chance: 0)
        #expect(wait(&condition, at: .seconds(10)) == .seconds(20))
    }

    @Test(
        "A paused bucket refuses at once, lets one through every minute, and resumes by its success"
    )
    func pause() throws {
        var condition = BucketCondition(schedule: BucketSchedule())
        let early = try #require(pass(&condition, at: .zero))
        let pass = try #require(pass(&condition, at: .zero))
        condition.pause(pass, Self.gone, at: .zero)
        condition.succeed(early)
        guard case .refuse(let error) = condition.admit(at: .seconds(59), chance: 0) else {
            Issue.record("it is paused, also when something that began earlier succeeded")
            return
        }
        #expect(error.code == .bucketMissing)
        let probe = try #require(self.pass(&condition, at: .seconds(60)))
        #expect(self.pass(&condition, at: .seconds(60)) == nil, "only one goes")
        condition.pause(probe, Self.gone, at: .seconds(61))
        #expect(self.pass(&condition, at: .seconds(119)) == nil)
        let second = try #require(self.pass(&condition, at: .seconds(120)))
        condition.succeed(second)
        #expect(self.pass(&condition, at: .seconds(120)) != nil)
    }

    @Test("What is missing is the provider's answer, not its failure; a denial changes nothing")
    func terminal() async throws {
        let health = BucketHealth(schedule: .quick)
        for _ in 0..<2 {
            let pass = try await health.admit(waitingAtMost: .seconds(10))
            await health.end(pass, Self.down)
        }
        #expect(await health.state() != .working)
        #expect(await health.failingFor() != nil)
        let denied = try await health.admit(waitingAtMost: .seconds(10))
        await health.end(denied, ObjectStoreError(code: .denied, message: "no"))
        #expect(await health.state() != .working)
        let missing = try await health.admit(waitingAtMost: .seconds(10))
        await health.end(missing, ObjectStoreError(code: .notFound, message: "none"))
        #expect(await health.state() == .working)
        #expect(await health.failingFor() == nil)
    }

    @Test("The pause shows its reason, and is forgotten on demand")
    func resume() async throws {
        let time = Locked(Duration.zero)
        let health = BucketHealth(schedule: BucketSchedule(), now: { time.withLock { $0 } })
        let pass = try await health.admit(waitingAtMost: .zero)
        await health.end(pass, Self.gone)
        time.withLock { $0 = .seconds(30) }
        guard case .paused(_, let reason) = await health.state() else {
            Issue.record("it is paused")
            return
        }
        #expect(reason == "gone")
        #expect(await health.failingFor() == .seconds(30))
        await expect(.bucketMissing) { _ = try await health.admit(waitingAtMost: .seconds(600)) }
        await health.resume()
        _ = try await health.admit(waitingAtMost: .zero)
    }

    @Test("Who would wait longer than it may is told at once why the bucket fails")
    func patience() async throws {
        let health = BucketHealth(
            schedule: BucketSchedule(waits: [.seconds(3600)], jitter: 0))
        let pass = try await health.admit(waitingAtMost: .zero)
        await health.end(pass, Self.down)
        await expect(.unavailable) { _ = try await health.admit(waitingAtMost: .seconds(60)) }
    }

    @Test("At most so many requests run at once, and one that is cancelled leaves the queue")
    func slots() async throws {
        let slots = RequestSlots(3)
        let running = Locked((now: 0, most: 0))
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<30 {
                group.addTask {
                    try await slots.run {
                        running.withLock { $0.now += 1 }
                        running.withLock { $0.most = max($0.most, $0.now) }
                        await Task.yield()
                        running.withLock { $0.now -= 1 }
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(running.withLock { $0.most } <= 3)
        let one = RequestSlots(1)
        try await one.run {
            await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await one.run {} }
                group.cancelAll()
                await #expect(throws: CancellationError.self) { try await group.next() }
            }
        }
        try await one.run {}
    }
}
