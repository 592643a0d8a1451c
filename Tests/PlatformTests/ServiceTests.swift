import Platform
import Testing

@Suite("Services and deadlines", .timeLimit(.minutes(1)))
struct ServiceTests {
    private struct Failure: Error {}

    /// Waits for cancellation, then leaves its name behind.
    private struct Waiting: Service {
        let ended: Locked<[String]>
        let name: String

        func run() async throws {
            do {
                try await ContinuousClock().sleep(for: .seconds(3600))
            } catch {
                ended.withLock { $0.append(name) }
                throw error
            }
        }
    }

    private struct Failing: Service {
        func run() async throws { throw Failure() }
    }

    private struct Returning: Service {
        func run() async throws {}
    }

    @Test("the first failure ends the others in order and is thrown")
    func failure() async throws {
        let ended = Locked<[String]>([])
        let (termination, keep) = AsyncStream.makeStream(of: Int32.self)
        await #expect(throws: Failure.self) {
            try await runServices(
                [
                    Waiting(ended: ended, name: "one"), Failing(),
                    Waiting(ended: ended, name: "two"),
                ],
                until: termination)
        }
        keep.finish()
        #expect(ended.withLock { $0.sorted() } == ["one", "two"])
    }

    @Test("a termination ends all of them without an error")
    func termination() async throws {
        let ended = Locked<[String]>([])
        let (termination, keep) = AsyncStream.makeStream(of: Int32.self)
        keep.yield(15)
        try await runServices([Waiting(ended: ended, name: "one")], until: termination)
        #expect(ended.withLock { $0 } == ["one"])
    }

    @Test("when all services have returned, so does the program")
    func returning() async throws {
        let (termination, keep) = AsyncStream.makeStream(of: Int32.self)
        try await runServices([Returning(), Returning()], until: termination)
        keep.finish()
    }

    @Test("a deadline cancels the work and says what it was")
    func deadline() async throws {
        let error = await #expect(throws: DeadlineExceeded.self) {
            try await withDeadline(.milliseconds(10), "sleep") {
                try await ContinuousClock().sleep(for: .seconds(3600))
            }
        }
        #expect(error?.what == "sleep")
    }

    @Test("work that is done in time answers, and its own error passes through")
    func inTime() async throws {
        #expect(try await withDeadline(.seconds(60), "add") { 1 + 1 } == 2)
        await #expect(throws: Failure.self) {
            try await withDeadline(.seconds(60), "fail") { throw Failure() }
        }
    }
}
