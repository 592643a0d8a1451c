import HTTP
import Shared

/// `/v1/agent`: sessions, leases, heartbeats and reports.
///
/// The host is the token's, never the request's.
struct AgentRoutes: Sendable {
    let operations: OperationService
    let restores: RestoreCounts

    var routes: [Route] {
        [
            Route("POST", "/v1/agent/sessions", .host) { context in
                let request = try await context.decode(OpenSessionRequest.self)
                return try .json(
                    try await operations.openSession(request, host: try context.host()))
            },
            Route("POST", "/v1/agent/lease", .host) { context in
                let request = try await context.decode(LeaseRequest.self)
                guard (1...100).contains(request.capacity),
                    (0...60_000).contains(request.waitMilliseconds)
                else {
                    throw Problem.invalidParameter(
                        "capacity", "must be from 1 to 100, and waitMilliseconds to 60000")
                }
                return try .json(try await operations.lease(request, host: try context.host()))
            },
            Route("POST", "/v1/agent/heartbeat", .host) { context in
                let request = try await context.decode(HeartbeatRequest.self)
                guard request.held.count <= 1000 else {
                    throw Problem.invalidParameter("held", "must have at most 1,000 items")
                }
                return try .json(
                    try await operations.heartbeat(request, host: try context.host()))
            },
            Route("POST", "/v1/agent/reports", .host) { context in
                let request = try await context.decode(
                    ReportsRequest.self, limitBytes: 64 << 20)
                guard request.reports.count <= 1000 else {
                    throw Problem.invalidParameter("reports", "must have at most 1,000 items")
                }
                return try .json(
                    try await operations.applyReports(request, host: try context.host()) {
                        for report in $0 { restores.count(report) }
                    })
            },
        ]
    }
}
