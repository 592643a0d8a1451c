import FoundationEssentials
import HTTP
import ObjectStore
import Platform
import Repository
import Shared

@testable import HostAgent

/// The hub's side of the agent's protocol over real TLS and real repositories in a directory; what
/// it gives out and what it forgets is up to the test.
final class ScriptedHub: Sendable {
    struct Held: Sendable {
        var operation: LeasedOperation
        var session: SessionID
    }

    struct State: Sendable {
        var queue: [LeasedOperation] = []
        var held: [OperationID: Held] = [:]
        var leases: [RequestID: LeaseAnswer] = [:]
        var outcomes: [OperationID: OperationOutcome] = [:]
        var epoch: Int64 = 100
        var applied: Int64 = 0
        /// How often each report was applied.
        var applications: [Int64: Int] = [:]
        var volumes: [ProjectID: VolumeObservation] = [:]
        var inventories: [Inventory] = []
        var status: HostStatus?
        var canceled: Set<OperationID> = []
        /// Ended without the host's doing.
        var ended: Set<OperationID> = []
        /// What heartbeats said of how far an operation is.
        var progress: [OperationID: Progress] = [:]
        /// What the last heartbeat asked about.
        var interrupted: Set<OperationID> = []
        var backups: [BackupID: BackupReference] = [:]
        var puts: [String: Int] = [:]
        var commits = 0
        /// Backups that were just what their base holds.
        var confirmations = 0
        /// The newest; what an earlier one still asks for is not answered with work.
        var session: SessionID?
        var repositories: [ProjectID: OpenRepository] = [:]
        /// How many answers to reports are lost on the way.
        var lostReportAnswers = 0
        /// When the last heartbeat came, and the longest time between two of them.
        var heardAt: ContinuousClock.Instant?
        var longestSilence: Duration = .zero
        /// Whether heartbeats are answered.
        var answersHeartbeats = true
        /// Sessions that are never open again.
        var endedSessions: Set<SessionID> = []
        /// Where the log ends, as it is told, and what the agent knew of it as it opened last.
        var logHead: LogHead?
        var knownHead: LogHead?
        /// Called before a pack is stored: the test may stall or fail there.
        var beforePut: (@Sendable (Int) async -> Void)?
        /// Called before an object is given out, and before a key is: the test may stall or fail there.
        var beforeGet: (@Sendable () async throws -> Void)?
        var beforeGrant: (@Sendable () async throws -> Void)?
        var beforeCommit: (@Sendable () async throws -> Void)?
        var afterCommit: (@Sendable () async -> Void)?
        var projects: [OperationID: ProjectID] = [:]
    }

    let state = Locked(State())
    let host = HostID.make()
    let timeline = TimelineID.make()
    let authority: CertificateAuthority
    private let directory: String
    let leaseMilliseconds: Int64

    init(directory: String, leaseMilliseconds: Int64 = 6000) throws {
        authority = try CertificateAuthority(named: "test")
        self.directory = directory
        self.leaseMilliseconds = leaseMilliseconds
    }

    func server() throws -> HTTPServer {
        var options = HTTPServerOptions()
        options.tls = try authority.issueServerIdentity(for: ["127.0.0.1"])
        options.bodyLimitBytes = 256 << 20
        return try HTTPServer(options: options) { request, body in
            await self.answer(request, body)
        }
    }

    func joinToken(port: UInt16) throws -> String {
        try JoinToken(
            hubs: ["https://127.0.0.1:\(port)"],
            fingerprint: authority.certificate.fingerprint.description, secret: "secret"
        ).written()
    }

    /// Queues an operation for the host.
    ///
    /// - Parameter guardEpoch: the guard that it works under.
    func submit(
        _ kind: OperationKind, _ input: some Encodable, id: OperationID = .make(),
        guardEpoch: Int64? = nil
    ) throws -> OperationID {
        let value = try JSON.value(input)
        state.withLock { state -> Void in
            state.queue.append(
                LeasedOperation(
                    id: id, kind: kind, epoch: 0, guardEpoch: guardEpoch, attempt: 0,
                    input: value))
            state.projects[id] =
                value["backup"]?["project"]?.text.flatMap { ProjectID($0) }
                ?? value["volume"]?["project"]?.text.flatMap { ProjectID($0) }
        }
        return id
    }

    /// Gives an operation out again that has failed here.
    func retry(
        _ operation: OperationID, _ kind: OperationKind, _ input: some Encodable
    ) async throws -> OperationOutcome {
        state.withLock { $0.outcomes[operation] = nil }
        return try await outcome(of: try submit(kind, input, id: operation))
    }

    /// Takes the lease away and gives the operation out again.
    func requeue(_ operation: OperationID) {
        state.withLock { state -> Void in
            guard let held = state.held.removeValue(forKey: operation) else { return }
            state.queue.append(held.operation)
        }
    }

    /// Waits until something holds.
    @discardableResult
    func wait<Answer: Sendable>(
        _ what: String, upTo limit: Duration = .seconds(60),
        until condition: @escaping @Sendable (State) -> Answer?
    ) async throws -> Answer {
        try await withDeadline(limit, what) {
            while true {
                if let answer = self.state.withLock({ condition($0) }) { return answer }
                try await ContinuousClock().sleep(for: .milliseconds(5))
            }
        }
    }

    /// Waits for an operation's outcome.
    func outcome(of operation: OperationID) async throws -> OperationOutcome {
        try await wait("outcome of \(operation)", upTo: .seconds(120)) { $0.outcomes[operation] }
    }

    /// Runs an operation to its end.
    func perform(_ kind: OperationKind, _ input: some Encodable) async throws -> OperationOutcome {
        try await outcome(of: try submit(kind, input))
    }

    func repository(of project: ProjectID) async throws -> OpenRepository {
        if let known = state.withLock({ $0.repositories[project] }) { return known }
        let store = try DirectoryStore(root: "\(directory)/\(project)", create: true)
        let made = try await OpenRepository.create(
            in: store, password: SecretBytes(Array("password".utf8)),
            origin: KeyFile.Origin(
                created: NodeTime(seconds: 1), username: "test", hostname: "test"))
        state.withLock { state -> Void in state.repositories[project] = made }
        return made
    }

    private func answer(_ request: HTTPRequest, _ body: HTTPBodyStream) async -> HTTPResponse {
        do {
            return try await route(request, body)
        } catch let problem as Problem {
            let bytes = (try? JSON.encode(problem)) ?? []
            return HTTPResponse(status: problem.status, body: .bytes(bytes))
        } catch let error as ObjectStoreError where error.code == .notFound {
            return HTTPResponse(status: 404)
        } catch {
            return HTTPResponse(status: 500, body: .text("\(error)"))
        }
    }

    private func route(
        _ request: HTTPRequest, _ body: HTTPBodyStream
    ) async throws -> HTTPResponse {
        let path = Array(request.pathSegments.dropFirst())
        func input<Input: Decodable>(_ type: Input.Type) async throws -> Input {
            try JSON.decode(type, from: try await body.collect(limitBytes: 64 << 20))
        }
        switch (path.first, path.dropFirst().first) {
        case ("ca.pem", _):
            return HTTPResponse(status: 200, body: .bytes(authority.certificate.pem))
        case ("agent", "enroll"):
            let enroll = try await input(EnrollRequest.self)
            guard enroll.secret == "secret" else {
                throw Problem(status: 401, code: "join-token-unusable", title: "no", detail: "no")
            }
            return try ok(
                EnrollAnswer(host: host, name: "h1", token: "token", timeline: timeline))
        default: break
        }
        guard request.headers["Authorization"] == "Bearer token" else {
            throw Problem(status: 401, code: "unauthorized", title: "no", detail: "no token")
        }
        switch path.dropFirst().first {
        case "sessions": return try ok(try openSession(try await input(OpenSessionRequest.self)))
        case "lease": return try ok(try await lease(try await input(LeaseRequest.self)))
        case "heartbeat": return try heartbeat(try await input(HeartbeatRequest.self))
        case "reports": return try reports(try await input(ReportsRequest.self))
        case "operations":
            return try await gateway(request, body, Array(path.dropFirst(2)))
        default: return HTTPResponse(status: 404)
        }
    }

    func ok(_ value: some Encodable) throws -> HTTPResponse {
        HTTPResponse(status: 200, body: .bytes(try JSON.encode(value)))
    }
}
