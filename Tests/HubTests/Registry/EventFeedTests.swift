import HTTP
import Platform
import Postgres
import Shared
import Testing

@testable import Hub

@Suite("The feed of events", .timeLimit(.minutes(2)))
struct EventFeedTests {
    private func feed(_ engine: Engine, retention: Duration = .seconds(86_400)) -> EventFeed {
        EventFeed(pool: engine.pool, retention: retention, log: engine.log)
    }

    /// Runs `body` while the feed looks at the log.
    private func running(
        _ feed: EventFeed, _ body: @escaping @Sendable () async throws -> Void
    ) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await feed.run() }
            defer { group.cancelAll() }
            try await body()
        }
    }

    private func newest(_ engine: Engine) async throws -> Int64 {
        try await engine.pool.query("SELECT sequence FROM event_counter").one().decode("sequence")
    }

    @Test("every reader sees every event once and in order, however it is paged and awaited")
    func everyEvent() async throws {
        let engine = try await Engine()
        let feed = feed(engine)
        let isDone = Locked(false)
        try await withThrowingTaskGroup(of: [Int64].self) { group in
            group.addTask {
                try await withThrowingTaskGroup(of: Void.self) { inner in
                    inner.addTask { try await feed.run() }
                    let load = try await RegistryLoad(engine, label: "host")
                    var random = Random()
                    for number in 0..<8 { try await load.live("p-\(number)", random: &random) }
                    isDone.withLock { $0 = true }
                    // The readers end at the last event.
                    try await Task.sleep(for: .seconds(2))
                    inner.cancelAll()
                }
                return []
            }
            for limit in [1, 3, 100] {
                group.addTask {
                    var seen: [Int64] = []
                    var after: Int64 = 0
                    var hasWaited = false
                    while true {
                        // Before the page, which is then read from the log, and has everything.
                        let isLast = isDone.withLock { $0 }
                        let page = try await feed.page(
                            after: after, of: nil, EventFilter(), limit: limit,
                            hasWaited: hasWaited && !isLast)
                        #expect(page.reset == nil)
                        seen += page.items.map(\.sequence)
                        after = page.next
                        if isLast, page.next == page.newest { break }
                        hasWaited = page.items.isEmpty && page.next == page.newest
                        if hasWaited {
                            try await feed.wait(after: after, atMost: .milliseconds(300))
                        }
                    }
                    return seen
                }
            }
            for try await seen in group where !seen.isEmpty {
                #expect(seen == Array(1...(try await newest(engine))))
            }
        }
    }

    @Test("filters by project, host and type leave out the rest, and pass over it")
    func filters() async throws {
        let engine = try await Engine()
        let load = try await RegistryLoad(engine, label: "host")
        var random = Random()
        for number in 0..<4 { try await load.live("p-\(number)", random: &random) }
        let feed = feed(engine)
        let all = try await feed.page(after: 0, of: nil, EventFilter(), limit: 1000)
        let project = try #require(all.items.compactMap(\.project).last)
        for filter in [
            EventFilter(project: project), EventFilter(host: load.hosts[1]),
            EventFilter(types: ["copy"]), EventFilter(types: ["copy.created", "host"]),
            EventFilter(project: project, types: ["placement"]), EventFilter(types: ["nothing"]),
        ] {
            var found: [EventDescription] = []
            var after: Int64 = 0
            repeat {
                let page = try await feed.page(after: after, of: nil, filter, limit: 2)
                found += page.items
                #expect(page.next > after)
                after = page.next
            } while after < all.newest
            #expect(found == all.items.filter(filter.accepts))
        }
    }

    @Test(
        "a reader of what the feed has not any more, or of another history, is told to begin anew")
    func reset() async throws {
        let engine = try await Engine()
        let load = try await RegistryLoad(engine, label: "host")
        var random = Random()
        for number in 0..<3 { try await load.live("p-\(number)", random: &random) }
        try await engine.tamper(
            "UPDATE events SET time = time - interval '1 hour' WHERE sequence <= 9")
        let newest = try await newest(engine)
        let feed = feed(engine, retention: .seconds(600))
        let old = try await feed.page(after: 5, of: nil, EventFilter(), limit: 10)
        #expect(old.items.isEmpty)
        #expect(old.reset?.reason == .retention)
        #expect(old.reset?.oldest == 10)
        #expect(old.next == newest)
        let just = try await feed.page(after: 9, of: nil, EventFilter(), limit: 10)
        #expect(just.items.first?.sequence == 10)
        let ahead = try await feed.page(after: newest + 7, of: nil, EventFilter(), limit: 10)
        #expect(ahead.reset?.reason == .timeline)
        #expect(ahead.next == newest)
        let other = engine.identifiers.make(TimelineIdentity.self)
        let foreign = try await feed.page(after: newest, of: other, EventFilter(), limit: 10)
        #expect(foreign.reset?.reason == .timeline)
        let own = try await feed.page(after: newest, of: just.timeline, EventFilter(), limit: 10)
        #expect(own.reset == nil)
    }

    @Test("a wait ends with the next event, by its limit, and by cancellation")
    func waiting() async throws {
        let engine = try await Engine()
        _ = try await engine.host("a")
        let feed = feed(engine)
        let newest = try await newest(engine)
        try await running(feed) {
            let clock = ContinuousClock()
            let begin = clock.now
            try await feed.wait(after: newest, atMost: .milliseconds(300))
            #expect(clock.now - begin >= .milliseconds(290))
            async let woken: Void = feed.wait(after: newest, atMost: .seconds(60))
            _ = try await engine.host("b")
            try await woken
            #expect(clock.now - begin < .seconds(50))
            await #expect(throws: (any Error).self) {
                try await withDeadline(.milliseconds(100), "a wait") {
                    try await feed.wait(after: newest + 1000, atMost: .seconds(60))
                }
            }
        }
    }
}
