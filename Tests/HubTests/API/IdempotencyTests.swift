import HTTP
import Platform
import Postgres
import Shared
import Testing

@testable import Hub

@Suite("An Idempotency-Key", .timeLimit(.minutes(2)))
struct IdempotencyTests {
    /// The hub's orders behind a real server, asked by an operator.
    private struct Hub: Sendable {
        let engine: Engine
        let host: HostID
        let project: ProjectID
        let address: String
        let token: String

        /// What a request was answered.
        struct Answer: Sendable {
            var status: Int
            var isReplay: Bool
            var operation: OperationID?
            var code: String?
        }

        func post(
            _ path: String, key: String?, _ body: String = "{}"
        ) async throws -> Answer {
            var headers: HTTPHeaders = [
                "Authorization": "Bearer \(token)", "Content-Type": "application/json",
            ]
            headers["Idempotency-Key"] = key
            let response = try await HTTPClient().send(
                HTTPClientRequest(
                    method: "POST", url: address + path, headers: headers,
                    body: .bytes(Array(body.utf8)), deadline: .seconds(30)))
            let bytes = try await response.body.collect(limitBytes: 1 << 20)
            var answer = Answer(
                status: response.status,
                isReplay: response.headers["Idempotent-Replay"] == "true")
            if response.status == 202 {
                answer.operation = try JSON.decode(OperationDescription.self, from: bytes).id
            } else {
                answer.code = try JSON.decode(Problem.self, from: bytes).code
            }
            return answer
        }
    }

    private func serving(
        _ body: @escaping @Sendable (Hub) async throws -> Void
    ) async throws {
        let engine = try await Engine()
        let host = try await engine.host("alpha")
        let project = try await engine.project("web", on: host)
        let token = BearerToken(new: .admin)
        try await engine.pool.withTransaction { transaction in
            try await TokenStore(transaction).insert(
                id: engine.identifiers.make(TokenIdentity.self), kind: .admin, hash: token.hash,
                name: "anna", host: nil, lifetimeSeconds: nil)
        }
        let desk = OrderDesk(pool: engine.pool, operations: engine.service)
        let router = Router(
            routes: HostRoutes(
                pool: engine.pool, desk: desk, identifiers: engine.identifiers, addresses: [],
                fingerprint: ""
            ).routes, pool: engine.pool,
            principals: PrincipalCache(pool: engine.pool, log: engine.log), logger: engine.log,
            identifiers: engine.identifiers)
        let server = try HTTPServer(options: HTTPServerOptions()) { request, stream in
            await router.answer(request, stream)
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await server.run() }
            defer { group.cancelAll() }
            try await body(
                Hub(
                    engine: engine, host: host, project: project,
                    address: "http://127.0.0.1:\(server.port)", token: token.text))
        }
    }

    @Test("makes one operation of many requests at once, and answers each of them with it")
    func once() async throws {
        try await serving { hub in
            let path = "/v1/hosts/alpha/check"
            let answers = try await withThrowingTaskGroup(of: Hub.Answer.self) { group in
                for _ in 0..<12 {
                    group.addTask {
                        // As the command line does: what is in flight is asked for again.
                        while true {
                            let answer = try await hub.post(path, key: "one")
                            if answer.status != 409 { return answer }
                            #expect(answer.code == "request-in-flight")
                        }
                    }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(answers.allSatisfy { $0.status == 202 })
            #expect(Set(answers.map(\.operation)).count == 1)
            #expect(answers.count { !$0.isReplay } == 1)
            let other = try await hub.post(path, key: "two")
            #expect(other.status == 202 && !other.isReplay)
            #expect(other.operation != answers[0].operation)
            // Without a key every request is one of its own.
            #expect(try await hub.post(path, key: nil).operation != other.operation)
        }
    }

    @Test("of another request is refused with 422, also when only the path differs")
    func otherRequest() async throws {
        try await serving { hub in
            _ = try await hub.engine.host("beta")
            let first = try await hub.post("/v1/hosts/alpha/check", key: "one")
            #expect(first.status == 202)
            let other = try await hub.post("/v1/hosts/beta/check", key: "one")
            #expect(other.status == 422)
            #expect(other.code == "idempotency-key-reused")
            let again = try await hub.post("/v1/hosts/alpha/check", key: "one")
            #expect(again.operation == first.operation && again.isReplay)
        }
    }

    @Test("that a request is just using is answered 409 at once, and its operation afterwards")
    func inFlight() async throws {
        try await serving { hub in
            let path = "/v1/hosts/alpha/check"
            let made = try await hub.engine.pool.withTransaction { transaction in
                let keys = IdempotencyStore(transaction)
                let print = BearerToken.hash(of: "POST \(path)\n")
                #expect(try await keys.take("one", actor: "anna", fingerprint: print) == nil)
                let begin = ContinuousClock.now
                let busy = try await hub.post(path, key: "one")
                #expect(busy.status == 409)
                #expect(busy.code == "request-in-flight")
                #expect(ContinuousClock.now - begin < .seconds(5))
                let created = try await hub.engine.service.create(
                    .hostCheck(hub.host), by: hub.engine.author, in: transaction)
                try await keys.complete("one", actor: "anna", operation: created.operation.id)
                return created.operation.id
            }
            let answer = try await hub.post(path, key: "one")
            #expect(answer.status == 202 && answer.isReplay)
            #expect(answer.operation == made)
        }
    }

    @Test("is kept for 24 hours, and not for longer")
    func kept() async throws {
        try await serving { hub in
            let path = "/v1/hosts/alpha/check"
            let first = try await hub.post(path, key: "one")
            func age(hours: Int) async throws {
                try await hub.engine.pool.query(
                    """
                    UPDATE idempotency_keys
                    SET created_at = clock_timestamp() - \(Int64(hours)) * interval '1 hour'
                    """)
                try await hub.engine.pool.withTransaction { transaction in
                    try await OperationRescueStore(transaction).sweepOld()
                }
            }
            try await age(hours: 23)
            #expect(try await hub.post(path, key: "one").operation == first.operation)
            try await age(hours: 25)
            let late = try await hub.post(path, key: "one")
            #expect(late.status == 202 && !late.isReplay)
            #expect(late.operation != first.operation)
        }
    }
}
