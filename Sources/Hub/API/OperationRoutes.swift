import HTTP
import Platform
import Postgres
import Shared

/// `/v1/operations`: lists, waiting, cancel, and the stream of progress.
struct OperationRoutes: Sendable {
    let pool: PostgresPool
    let operations: OperationService

    /// How long a stream's client may take to read what it was sent.
    private static let patience: Duration = .seconds(10)
    /// How long a stream is silent at most: a comment keeps proxies and dead peers honest.
    private static let heartbeat: Duration = .seconds(15)

    var routes: [Route] {
        [
            Route("GET", "/v1/operations", .admin, list),
            Route("GET", "/v1/operations/:operation", .admin, show),
            Route("POST", "/v1/operations/:operation/cancel", .admin, cancel),
            Route("POST", "/v1/operations/:operation/abandon", .admin, abandon),
            Route("GET", "/v1/operations/:operation/events", .admin, events),
        ]
    }

    private func list(_ context: RequestContext) async throws -> HTTPResponse {
        let limit = try context.limit()
        let before = try context.cursor(OperationIdentity.self)
        let request = context.request
        var filter = OperationFilter()
        if let text = request.queryValue("state") {
            guard let state = OperationState(rawValue: text) else {
                throw Problem.invalidParameter(
                    "state",
                    "must be one of "
                        + OperationState.allCases.map(\.rawValue).joined(separator: ", "))
            }
            filter.state = state
        }
        if let text = request.queryValue("kind") {
            guard let kind = OperationKind(rawValue: text) else {
                throw Problem.invalidParameter(
                    "kind",
                    "must be one of "
                        + OperationKind.allCases.map(\.rawValue).joined(separator: ", "))
            }
            filter.kind = kind
            filter.includesChildren = true
        }
        filter.includesChildren =
            filter.includesChildren || request.queryValue("children") == "true"
        let project = request.queryValue("project")
        let host = request.queryValue("host")
        (filter.project, filter.host) = try await pool.withTransaction(retry: PostgresRetry()) {
            transaction in
            let reader = RegistryReader(transaction)
            var found: (ProjectID?, HostID?) = (nil, nil)
            if let project { found.0 = try await reader.resolveProject(project) }
            if let host { found.1 = try await reader.resolveHost(host) }
            return found
        }
        let items = try await operations.list(filter, before: before, limit: limit)
        return try .json(
            Page(
                schema: "operation.list/1", items: items,
                nextCursor: items.count == limit ? items.last.map { "\($0.id)" } : nil))
    }

    private func resolve(_ context: RequestContext) async throws -> OperationID {
        let reference = context.parameter("operation")
        return try await pool.withTransaction(retry: PostgresRetry()) { transaction in
            try await RegistryReader(transaction).resolveOperation(reference)
        }
    }

    /// After how long is looked again for messages that were held back.
    private static let heldBackPause: Duration = .milliseconds(50)

    /// Answers at once, or with `wait=30s` when the operation has ended or the time is over.
    private func show(_ context: RequestContext) async throws -> HTTPResponse {
        let id = try await resolve(context)
        if let text = context.request.queryValue("wait") {
            guard text.hasSuffix("s"), let seconds = Int(text.dropLast()),
                (0...60).contains(seconds)
            else { throw Problem.invalidParameter("wait", "must be from 0s to 60s") }
            _ = try await operations.waitForTerminal(id, atMost: .seconds(seconds))
        }
        return try .json(try await operations.describe(id))
    }

    private func cancel(_ context: RequestContext) async throws -> HTTPResponse {
        let id = try await resolve(context)
        let operation = try await operations.cancel(id, by: context.author)
        return try .json(operation)
    }

    private func abandon(_ context: RequestContext) async throws -> HTTPResponse {
        let request = try await context.decode(AbandonRequest.self, limitBytes: 8192)
        guard (request.reason ?? "").utf8.count <= 1000 else {
            throw Problem.invalidParameter("reason", "must have at most 1,000 bytes")
        }
        var author = context.author
        author.reason = request.reason
        return try .json(try await operations.abandon(try await resolve(context), by: author))
    }

    /// Server-sent events: `progress` with the message's position as its id, `state` when the state
    /// or phase changes; ends behind the terminal state.
    ///
    /// `Last-Event-ID` resumes; `reset` says that what came since is not all kept any more.
    private func events(_ context: RequestContext) async throws -> HTTPResponse {
        let id = try await resolve(context)
        let resumed = context.request.headers["Last-Event-ID"].flatMap { ProgressPosition($0) }
        let after = resumed ?? .start
        let headers: HTTPHeaders = [
            "Content-Type": "text/event-stream", "Cache-Control": "no-store",
            "X-Accel-Buffering": "no",
        ]
        let operations = operations
        return HTTPResponse(
            status: 200, headers: headers,
            body: .stream(length: nil) { writer in
                try await Self.follow(id, after: after, operations, writer)
            })
    }

    private static func follow(
        _ id: OperationID, after: ProgressPosition, _ operations: OperationService,
        _ writer: HTTPBodyWriter
    ) async throws {
        let clock = ContinuousClock()
        var position = after
        var last: OperationDescription?
        var spoken = clock.now
        try await write(SSEEncoder.retry(after: .seconds(3)), to: writer)
        if after != .start, try await operations.hasTrimmed(id, since: after) {
            // What came in between is not kept any more: said, rather than passed over.
            try await write(
                SSEEncoder.encode(SSEEvent(event: "reset", data: "{\"reason\":\"retention\"}")),
                to: writer)
        }
        while true {
            let mark = try await operations.watch.mark(of: id)
            var bytes: [UInt8] = []
            let news = try await operations.progress(of: id, after: position)
            for entry in news.entries {
                position = entry.position
                bytes += SSEEncoder.encode(
                    SSEEvent(
                        id: position.text, event: "progress",
                        data: try JSON.text(entry.progress)))
            }
            guard var now = try await operations.describe(id) else { return }
            now.progress = nil
            if now != last, !(now.state.isTerminal && news.isHeldBack) {
                last = now
                bytes += SSEEncoder.encode(SSEEvent(event: "state", data: try JSON.text(now)))
            }
            // Behind the end nothing is told any more: what is held back comes first.
            let isOver = now.state.isTerminal && !news.isHeldBack || operations.isClosed
            if bytes.isEmpty, clock.now - spoken >= heartbeat { bytes = SSEEncoder.heartbeat }
            if !bytes.isEmpty {
                try await write(bytes, to: writer)
                spoken = clock.now
            }
            if isOver { return }
            let rest = max(.milliseconds(10), heartbeat - (clock.now - spoken))
            try await operations.watch.wait(
                for: id, seen: mark, atMost: news.isHeldBack ? min(heldBackPause, rest) : rest)
        }
    }

    /// Hands bytes over, but not for longer than the patience: a client that does not read is
    /// disconnected, and comes back with `Last-Event-ID`.
    private static func write(_ bytes: [UInt8], to writer: HTTPBodyWriter) async throws {
        try await withDeadline(patience, "sending events to a client that reads slowly") {
            try await writer.write(bytes)
        }
    }
}
