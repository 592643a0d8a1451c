import HTTP
import Platform
import Postgres
import Shared
import Testing

@testable import Hub

@Suite("Event streams over HTTP", .timeLimit(.minutes(3)))
struct EventStreamTests {
    /// A hub's routes of streams behind a real server, over a database of somebody else's.
    private struct Hub: Sendable {
        var engine: Engine
        var feed: EventFeed
        var routes: [Route]
        let dropped = Locked(0)

        init(
            _ engine: Engine, retention: Duration = .seconds(86_400),
            patience: Duration = .seconds(10)
        ) {
            self.engine = engine
            feed = EventFeed(pool: engine.pool, retention: retention, log: engine.log)
            routes =
                EventRoutes(pool: engine.pool, feed: feed, patience: patience).routes
                + OperationRoutes(pool: engine.pool, operations: engine.service).routes
        }

        func serving(
            _ options: HTTPServerOptions = HTTPServerOptions(),
            _ body: @escaping @Sendable (String) async throws -> Void
        ) async throws {
            let (routes, identifiers, dropped) = (routes, engine.identifiers, dropped)
            let server = try HTTPServer(options: options) { request, stream in
                for route in routes where route.method == request.method {
                    guard let parameters = route.match(request.pathSegments) else { continue }
                    do {
                        var response = try await route.handler(
                            RequestContext(
                                request: request, body: stream, parameters: parameters,
                                principal: nil, id: identifiers.make(RequestIdentity.self)))
                        if case .stream(let length, let produce) = response.body {
                            response.body = .stream(length: length) { writer in
                                do {
                                    try await produce(writer)
                                } catch let error as DeadlineExceeded {
                                    dropped.withLock { $0 += 1 }
                                    throw error
                                }
                            }
                        }
                        return response
                    } catch {
                        return HTTPResponse(status: Problem(of: error).status)
                    }
                }
                return HTTPResponse(status: 404)
            }
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await server.run() }
                group.addTask { try await feed.run() }
                group.addTask { try await engine.service.watch.run() }
                defer { group.cancelAll() }
                try await body("http://127.0.0.1:\(server.port)")
            }
        }
    }

    private static func open(
        _ url: String, after: String? = nil
    ) async throws -> HTTPClientResponse {
        var headers: HTTPHeaders = ["Accept": "text/event-stream"]
        if let after { headers.append("Last-Event-ID", after) }
        let response = try await HTTPClient().send(
            HTTPClientRequest(url: url, headers: headers, deadline: nil, stallTimeout: nil))
        try #require(response.status == 200)
        return response
    }

    /// The ids of the next events.
    private static func ids(
        _ count: Int, _ response: HTTPClientResponse
    ) async throws -> [Int64] {
        var ids: [Int64] = []
        for try await event in SSEStream(response.body) {
            ids.append(try #require(event.id.flatMap { Int64($0) }))
            if ids.count == count { break }
        }
        return ids
    }

    private static func load(_ engine: Engine, projects: Int) async throws -> Int64 {
        let load = try await RegistryLoad(engine, label: "host")
        var random = Random()
        for number in 0..<projects { try await load.live("p-\(number)", random: &random) }
        return try await engine.pool.query("SELECT sequence FROM event_counter").one()
            .decode("sequence")
    }

    @Test(
        "a stream goes on behind Last-Event-ID at another hub, without a gap and without a double")
    func resume() async throws {
        let engine = try await Engine()
        let newest = try await Self.load(engine, projects: 3)
        let other = Engine(again: engine)
        try await Hub(engine).serving { first in
            let seen = try await Self.ids(
                5, try await Self.open("\(first)/v1/events?after=0"))
            #expect(seen == [1, 2, 3, 4, 5])
            try await Hub(other).serving { second in
                let rest = try await Self.ids(
                    Int(newest) - 5, try await Self.open("\(second)/v1/events", after: "5"))
                #expect(rest == Array(6...newest))
                // And what comes later, written by the first.
                let stream = try await Self.open("\(second)/v1/events", after: "\(newest)")
                async let next = Self.ids(2, stream)
                _ = try await engine.host("late")
                #expect(try await next == [newest + 1, newest + 2])
            }
        }
        await other.pool.close()
        await engine.pool.close()
    }

    @Test("a stream behind what is kept says reset, and goes on at the end")
    func reset() async throws {
        let engine = try await Engine()
        let newest = try await Self.load(engine, projects: 2)
        try await engine.tamper(
            "UPDATE events SET time = time - interval '1 hour' WHERE sequence <= 9")
        try await Hub(engine, retention: .seconds(600)).serving { url in
            for (after, reason) in [("3", "retention"), ("\(newest + 50)", "timeline")] {
                let response = try await Self.open("\(url)/v1/events", after: after)
                for try await event in SSEStream(response.body) {
                    #expect(event.event == "reset")
                    #expect(event.data.contains(reason))
                    #expect(event.id == "\(newest)")
                    break
                }
            }
        }
        await engine.pool.close()
    }

    @Test("a client that does not read is disconnected, and misses nothing when it comes back")
    func slowClient() async throws {
        let engine = try await Engine()
        let newest = try await Self.load(engine, projects: 40)
        var options = HTTPServerOptions()
        options.bufferBytes = 4096
        let hub = Hub(engine, patience: .milliseconds(300))
        try await hub.serving(options) { url in
            // Its own small buffers, so that what it does not take is felt at once.
            var small = HTTPClientOptions()
            small.bufferBytes = 1024
            let client = try HTTPClient(options: small)
            // So often that the kernel's buffers cannot hold it all.
            let slow = try await withThrowingTaskGroup(of: HTTPClientResponse.self) { group in
                for _ in 0..<1 {
                    group.addTask {
                        try await client.send(
                            HTTPClientRequest(
                                url: "\(url)/v1/events?after=0",
                                headers: ["Accept": "text/event-stream"], deadline: nil,
                                stallTimeout: nil))
                    }
                }
                return try await group.next()
            }
            let response = try #require(slow)
            // More than the kernel's buffers hold.
            for turn in 0..<400 where hub.dropped.withLock({ $0 }) == 0 {
                try await engine.record(
                    .hostExpected(
                        HostExpected(
                            host: engine.identifiers.make(HostIdentity.self), name: "h-\(turn)",
                            region: String(repeating: "r", count: 60_000))))
            }
            try await eventually { hub.dropped.withLock { $0 } == 1 }
            var seen: [Int64] = []
            await #expect(throws: (any Error).self) {
                for try await event in SSEStream(response.body) {
                    seen.append(try #require(event.id.flatMap { Int64($0) }))
                }
            }
            let last = try #require(seen.last)
            #expect(seen == Array(1...last))
            let end = try await engine.pool.query("SELECT sequence FROM event_counter").one()
                .decode("sequence", as: Int64.self)
            #expect(last < end && end > newest)
            let rest = try await Self.ids(
                Int(end - last), try await Self.open("\(url)/v1/events", after: "\(last)"))
            #expect(rest == Array(last + 1...end))
        }
        await engine.pool.close()
    }

    @Test("a long poll is answered with the next event, or empty when its time is over")
    func longPoll() async throws {
        let engine = try await Engine()
        let newest = try await Self.load(engine, projects: 1)
        try await Hub(engine).serving { url in
            let client = try HTTPClient()
            @Sendable func poll(_ wait: Int) async throws -> EventPage {
                let answer = try await client.send(
                    HTTPClientRequest(url: "\(url)/v1/events?after=\(newest)&wait=\(wait)s"))
                return try JSON.decode(
                    EventPage.self, from: try await answer.body.collect(limitBytes: 1 << 20))
            }
            #expect(try await poll(1).items.isEmpty)
            async let next = poll(30)
            _ = try await engine.host("late")
            #expect(try await next.items.first?.sequence == newest + 1)
        }
        await engine.pool.close()
    }

    @Test(
        "an operation's stream goes on at another hub, and says when it could not keep everything")
    func operationStream() async throws {
        let engine = try await Engine()
        let host = try await engine.host("a")
        let project = try await engine.project("web", on: host)
        let other = Engine(again: engine)
        let created = try await engine.service.create(.stop(project), by: engine.author)
        let id = created.operation.id
        @Sendable func note(_ done: Int64) async throws {
            try await engine.pool.withTransaction {
                try await ProgressStore($0).note(
                    Progress(
                        time: Timestamp(milliseconds: done), phase: "phase-\(done)",
                        phaseIndex: 1, phaseCount: 1, done: done), of: id)
            }
        }
        for done in 1...3 as ClosedRange<Int64> { try await note(done) }
        try await Hub(engine).serving { first in
            var last = ""
            var seen: [String] = []
            let response = try await Self.open("\(first)/v1/operations/\(id)/events")
            for try await event in SSEStream(response.body) where event.event == "progress" {
                last = try #require(event.id)
                seen.append(event.data)
                if seen.count == 2 { break }
            }
            try await Hub(other).serving { [last] second in
                let stream = try await Self.open(
                    "\(second)/v1/operations/\(id)/events", after: last)
                var names: [String] = []
                try await note(4)
                for try await event in SSEStream(stream.body) {
                    names.append(event.event)
                    if event.event == "progress", event.data.contains("phase-4") {
                        // The end is told, and ends the stream.
                        _ = try await engine.service.cancel(id, by: engine.author)
                    }
                }
                #expect(names.filter { $0 == "progress" }.count == 2)
                #expect(names.last == "state")
                #expect(!names.contains("reset"))
                let seen = try #require(ProgressPosition(last))
                try await engine.pool.query(
                    "DELETE FROM operation_progress WHERE sequence <= \(seen.sequence)")
                let trimmed = try await Self.open(
                    "\(second)/v1/operations/\(id)/events", after: last)
                for try await event in SSEStream(trimmed.body) {
                    #expect(event.event == "reset")
                    break
                }
            }
        }
        await other.pool.close()
        await engine.pool.close()
    }

    @Test("a wait ends by the row, also where no bell rings and no stream is")
    func waits() async throws {
        let engine = try await Engine()
        let host = try await engine.host("a")
        let project = try await engine.project("web", on: host)
        let created = try await engine.service.create(.stop(project), by: engine.author)
        // Another hub: it shares nothing with the first but the database.
        var settings = Engine.quick
        settings.poll = .milliseconds(50)
        let pool = PostgresPool(engine.options)
        let apart = OperationService(
            pool: pool, bell: OperationBell(), settings: settings,
            identifiers: engine.identifiers, log: engine.log)
        let early = try await apart.waitForTerminal(
            created.operation.id, atMost: .milliseconds(200))
        #expect(early?.state == .queued)
        async let ended = apart.waitForTerminal(created.operation.id, atMost: .seconds(30))
        _ = try await engine.service.cancel(created.operation.id, by: engine.author)
        #expect(try await ended?.state == .canceled)
        await pool.close()
        await engine.pool.close()
    }
}
