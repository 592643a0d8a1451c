import HTTP
import Platform
import Shared

/// Speaks the agent's protocol with the hub: JSON over HTTPS, under the host's token, trusting only
/// the authority that was pinned when the host joined.
///
/// Repeating any request is harmless.
final class HubClient: Sendable {
    /// The largest answer: 100 operations with their inputs fit many times.
    private static let answerLimitBytes = 16 << 20

    let http: HTTPClient
    private let token: SecretBytes
    private let addresses: Locked<HubAddresses>

    /// - Parameters:
    ///   - addresses: the hub's addresses, at least one.
    ///   - http: a client that trusts the pinned authority.
    ///   - token: the host's bearer token.
    init(addresses: [String], http: HTTPClient, token: SecretBytes) {
        self.http = http
        self.token = token
        self.addresses = Locked(HubAddresses(addresses))
    }

    /// The address that is used now.
    var address: String { addresses.withLock { $0.current } }

    /// The header field that authenticates this host.
    var authorization: String {
        "Bearer " + token.withBytes { String(decoding: $0, as: UTF8.self) }
    }

    func openSession(_ request: OpenSessionRequest) async throws -> OpenSessionAnswer {
        try await post("/v1/agent/sessions", request)
    }

    /// Waits for work as long as the request says.
    func lease(_ request: LeaseRequest) async throws -> LeaseAnswer {
        let wait = Duration.milliseconds(request.waitMilliseconds)
        return try await post("/v1/agent/lease", request, deadline: wait + .seconds(15))
    }

    func heartbeat(
        _ request: HeartbeatRequest, deadline: Duration
    ) async throws -> HeartbeatAnswer {
        try await post("/v1/agent/heartbeat", request, deadline: deadline)
    }

    func report(_ request: ReportsRequest) async throws -> ReportsAnswer {
        try await post("/v1/agent/reports", request, deadline: .seconds(60))
    }

    func grants(_ operation: OperationID, epoch: Int64) async throws -> GrantAnswer {
        try await post(
            "/v1/agent/operations/\(operation)/grants", GrantRequest(epoch: epoch))
    }

    func sign(_ operation: OperationID, _ request: SignRequest) async throws -> SignAnswer {
        try await post("/v1/agent/operations/\(operation)/urls", request)
    }

    /// The hub reads packs back before it answers, which takes its time.
    func commit(_ operation: OperationID, _ request: CommitRequest) async throws -> CommitAnswer {
        try await post(
            "/v1/agent/operations/\(operation)/commit", request, deadline: .seconds(3600))
    }

    /// Where the objects of an operation's repository are.
    func objectsURL(_ operation: OperationID) -> String {
        "\(address)/v1/agent/operations/\(operation)/objects"
    }

    /// Sends a request to the address that works, and tries the next where one does not.
    private func post<Request: Encodable & Sendable, Answer: Decodable & Sendable>(
        _ path: String, _ request: Request, deadline: Duration = .seconds(30)
    ) async throws -> Answer {
        let body = try JSON.encode(request)
        var last: (any Error)?
        for _ in 0..<addresses.withLock({ $0.count }) {
            let address = self.address
            do {
                return try await Self.exchange(
                    http, "POST", address + path, body, authorization: authorization,
                    deadline: deadline)
            } catch let error as AgentError where error.code == .unreachable {
                addresses.withLock { $0.failed(address) }
                last = error
            }
        }
        throw last ?? AgentError(.unreachable, "the configuration names no hub")
    }

    /// One request and its answer.
    ///
    /// - Throws: `AgentError`: `unreachable`, also for statuses that say so; `leaseLost`; `refused`
    ///   with the hub's own words; `protocolViolation`.
    static func exchange<Answer: Decodable & Sendable>(
        _ http: HTTPClient, _ method: String, _ url: String, _ body: [UInt8],
        authorization: String?, deadline: Duration
    ) async throws -> Answer {
        var headers: HTTPHeaders = ["Content-Type": "application/json"]
        if let authorization { headers.append("Authorization", authorization) }
        let status: Int
        let bytes: [UInt8]
        do {
            let response = try await http.send(
                HTTPClientRequest(
                    method: method, url: url, headers: headers, body: .bytes(body),
                    deadline: deadline, stallTimeout: deadline))
            status = response.status
            bytes = try await response.body.collect(limitBytes: answerLimitBytes)
        } catch let error as HTTPError {
            throw AgentError(.unreachable, "cannot reach the hub at \(url)", cause: error)
        }
        guard (200..<300).contains(status) else {
            throw refusal(status: status, bytes, url: url)
        }
        do {
            return try JSON.decode(Answer.self, from: bytes)
        } catch {
            throw AgentError(
                .protocolViolation, "the hub's answer from \(url) cannot be read", cause: error)
        }
    }

    private static func refusal(status: Int, _ bytes: [UInt8], url: String) -> AgentError {
        // A proxy's error page is no problem document: then the status says it all.
        let problem = try? JSON.decode(Problem.self, from: bytes)
        let text = problem.map { problem in
            problem.hint.map { "\(problem.detail); \($0)" } ?? problem.detail
        }
        let message = "the hub refused \(url): \(text ?? "status \(status)")"
        switch status {
        case 409 where problem?.code == "lease-lost": return AgentError(.leaseLost, message)
        case 408, 429, 500...: return AgentError(.unreachable, message, cause: problem)
        default: return AgentError(.refused, message, cause: problem)
        }
    }
}
