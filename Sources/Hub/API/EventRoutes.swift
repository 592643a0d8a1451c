import HTTP
import Platform
import Postgres
import Shared

/// `/v1/events`: the registry's log as a feed, in pages that wait, or as one stream.
struct EventRoutes: Sendable {
    let pool: PostgresPool
    let feed: EventFeed
    /// How long a stream's client may take to read what it was sent; then it is disconnected, and
    /// comes back with `Last-Event-ID` when it can.
    var patience: Duration = .seconds(10)

    /// How long a stream is silent at most: a comment keeps proxies and dead peers honest.
    private static let heartbeat: Duration = .seconds(15)

    var routes: [Route] {
        [Route("GET", "/v1/events", .admin, events)]
    }

    /// What a reader asks for.
    struct Request: Sendable {
        var after: Int64
        var timeline: TimelineID?
        var filter: EventFilter
        var limit: Int
    }

    private func events(_ context: RequestContext) async throws -> HTTPResponse {
        let isStream =
            context.request.headers["Accept"]?.contains("text/event-stream") == true
        let request = try await read(context, isStream: isStream)
        return isStream ? stream(request) : try await page(request, context)
    }

    private func read(_ context: RequestContext, isStream: Bool) async throws -> Request {
        let request = context.request
        var filter = EventFilter()
        if let types = request.queryValue("type") {
            filter.types = types.split(separator: ",").map(String.init)
            guard (1...32).contains(filter.types.count) else {
                throw Problem.invalidParameter(
                    "type", "must be 1 to 32 types, as in copy,host.enrolled")
            }
        }
        let project = request.queryValue("project")
        let host = request.queryValue("host")
        if project != nil || host != nil {
            try await pool.withTransaction(retry: PostgresRetry()) { transaction in
                let reader = RegistryReader(transaction)
                if let project { filter.project = try await reader.resolveProject(project) }
                if let host { filter.host = try await reader.resolveHost(host) }
            }
        }
        var timeline: TimelineID?
        if let text = request.queryValue("timeline") {
            guard let id = TimelineID(text) else {
                throw Problem.invalidParameter(
                    "timeline", "must be the timeline of an earlier page")
            }
            timeline = id
        }
        return Request(
            after: try await after(request, isStream: isStream), timeline: timeline,
            filter: filter, limit: try context.limit())
    }

    /// Where the reader goes on: `Last-Event-ID`, `after`, so many events before the end (`last`);
    /// otherwise a stream begins at the end and a page at the beginning.
    private func after(_ request: HTTPRequest, isStream: Bool) async throws -> Int64 {
        if let text = request.headers["Last-Event-ID"] ?? request.queryValue("after") {
            guard let after = Int64(text), after >= 0 else {
                throw Problem.invalidParameter("after", "must be an event's sequence, 0 or more")
            }
            return after
        }
        let ends = try await feed.ends()
        guard let text = request.queryValue("last") else {
            return isStream ? ends.newest : ends.oldest - 1
        }
        guard let last = Int64(text), (0...1_000_000).contains(last) else {
            throw Problem.invalidParameter("last", "must be from 0 to 1000000")
        }
        return max(ends.oldest - 1, ends.newest - last)
    }

    /// One page; with `wait=30s` it comes when there is something in it, or the time is over.
    private func page(
        _ request: Request, _ context: RequestContext
    ) async throws -> HTTPResponse {
        var limit = Duration.zero
        if let text = context.request.queryValue("wait") {
            guard text.hasSuffix("s"), let seconds = Int(text.dropLast()),
                (0...60).contains(seconds)
            else { throw Problem.invalidParameter("wait", "must be from 0s to 60s") }
            limit = .seconds(seconds)
        }
        let deadline = ContinuousClock.now + limit
        var after = request.after
        var hasWaited = false
        while true {
            let page = try await feed.page(
                after: after, of: request.timeline, request.filter, limit: request.limit,
                hasWaited: hasWaited)
            let left = deadline - ContinuousClock.now
            guard page.items.isEmpty, page.reset == nil, left > .zero else {
                return try .json(page)
            }
            after = page.next
            hasWaited = page.next >= page.newest
            if hasWaited { try await feed.wait(after: after, atMost: left) }
        }
    }

    /// Server-sent events: each event under its type, with its sequence as id; `reset` where the
    /// feed cannot go on behind what the reader has seen.
    private func stream(_ request: Request) -> HTTPResponse {
        let headers: HTTPHeaders = [
            "Content-Type": "text/event-stream", "Cache-Control": "no-store",
            "X-Accel-Buffering": "no",
        ]
        return HTTPResponse(
            status: 200, headers: headers,
            body: .stream(length: nil) { writer in
                try await follow(request, writer)
            })
    }

    private func follow(_ request: Request, _ writer: HTTPBodyWriter) async throws {
        let clock = ContinuousClock()
        var timeline = request.timeline
        var after = request.after
        var spoken = clock.now
        var hasWaited = false
        try await write(SSEEncoder.retry(after: .seconds(3)), to: writer)
        while true {
            let page = try await feed.page(
                after: after, of: timeline, request.filter, limit: request.limit,
                hasWaited: hasWaited)
            timeline = page.timeline
            var bytes: [UInt8] = []
            if let reset = page.reset {
                bytes = SSEEncoder.encode(
                    SSEEvent(
                        id: String(reset.newest), event: "reset", data: try JSON.text(reset)))
            }
            for event in page.items {
                bytes += SSEEncoder.encode(
                    SSEEvent(
                        id: String(event.sequence), event: event.type,
                        data: try JSON.text(event)))
            }
            after = page.next
            if bytes.isEmpty, clock.now - spoken >= Self.heartbeat { bytes = SSEEncoder.heartbeat }
            if !bytes.isEmpty {
                try await write(bytes, to: writer)
                spoken = clock.now
            }
            hasWaited = page.next >= page.newest
            if hasWaited {
                let quiet = Self.heartbeat - (clock.now - spoken)
                try await feed.wait(after: after, atMost: max(.milliseconds(10), quiet))
            }
        }
    }

    /// Hands bytes over, but not for longer than the patience: a client that does not read must not
    /// keep its place, and must not be passed over in silence either.
    private func write(_ bytes: [UInt8], to writer: HTTPBodyWriter) async throws {
        try await withDeadline(patience, "sending events to a client that reads slowly") {
            try await writer.write(bytes)
        }
    }
}
