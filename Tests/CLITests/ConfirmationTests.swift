import HTTP
import Platform
import Shared
import Testing

@testable import CLI

@Suite("berth asks", .timeLimit(.minutes(2)))
struct ConfirmationTests {
    private static let project = Samples.projectID.description

    private static func ended(_ kind: OperationKind) -> CannedHub.Route {
        { _, _ in try CannedHub.json(Samples.operation(.succeeded, kind: kind), status: 202) }
    }

    private static func show(isRunning: Bool) -> CannedHub.Route {
        { _, _ in try CannedHub.json(Samples.project(isRunning: isRunning)) }
    }

    @Test(
        "deleting needs the project's name; --yes is not enough",
        arguments: [
            ([], false), (["--yes"], false), (["--confirm", "other"], false),
            (["--confirm", "notes"], true),
        ] as [([String], Bool)])
    func delete(flags: [String], isDone: Bool) async throws {
        let delete = "DELETE /v1/projects/\(Self.project)"
        let routes = [
            "GET /v1/projects/notes": Self.show(isRunning: false), delete: Self.ended(.delete),
        ]
        try await CannedHub.serving(routes) { hub in
            let result = try await BerthProcess(loggedInTo: hub.address).run(
                ["project", "delete", "notes"] + flags)
            #expect(result.code == (isDone ? 0 : 11))
            #expect(hub.requests(delete).count == (isDone ? 1 : 0))
            if let seen = hub.requests(delete).first {
                #expect(
                    try JSON.decode(DeleteProjectRequest.self, from: seen.body).confirm == "notes")
            } else {
                #expect(result.errorText.contains("--confirm notes"))
            }
        }
    }

    @Test(
        "abandoning an operation needs a yes, and says why for its record",
        arguments: [([], 11), (["--yes", "--reason", "burnt down"], 0)] as [([String], Int32)])
    func abandon(flags: [String], code: Int32) async throws {
        let id = Samples.operationID()
        let abandon = "POST /v1/operations/\(id)/abandon"
        let routes: [String: CannedHub.Route] = [
            "GET /v1/operations/\(id)": { _, _ in
                try CannedHub.json(Samples.operation(.running))
            },
            abandon: { _, _ in
                try CannedHub.json(
                    Samples.operation(
                        .failed, failure: Failure(code: "abandoned", message: "given up")))
            },
        ]
        try await CannedHub.serving(routes) { hub in
            let result = try await BerthProcess(loggedInTo: hub.address).run(
                ["operation", "abandon", "\(id)"] + flags)
            #expect(result.code == code, "\(result.errorText)")
            #expect(hub.requests(abandon).count == (code == 0 ? 1 : 0))
            for seen in hub.requests(abandon) {
                #expect(
                    try JSON.decode(AbandonRequest.self, from: seen.body).reason == "burnt down")
            }
        }
    }

    @Test(
        "a running project is moved after a yes; a stopped one at once",
        arguments: [(true, [], 11), (true, ["--yes"], 0), (false, [], 0)]
            as [(Bool, [String], Int32)])
    func move(isRunning: Bool, flags: [String], code: Int32) async throws {
        let move = "POST /v1/projects/\(Self.project)/move"
        let routes = [
            "GET /v1/projects/notes": Self.show(isRunning: isRunning), move: Self.ended(.move),
        ]
        try await CannedHub.serving(routes) { hub in
            let result = try await BerthProcess(loggedInTo: hub.address).run(
                ["project", "move", "notes", "--to", "h2"] + flags)
            #expect(result.code == code)
            #expect(result.errorText.contains("Plan: move \"notes\" from h1 to h2"))
            #expect(hub.requests(move).count == (code == 0 ? 1 : 0))
            if code != 0 { #expect(result.errorText.contains("--yes")) }
            if code == 0 { #expect(result.text == "✔ moved \"notes\" from h1 to h2 in 38.2s\n") }
        }
    }

    @Test(
        "on a terminal the question is asked",
        arguments: [("y", 0), ("n", 5), ("", 5)] as [(String, Int32)])
    func asked(answer: String, code: Int32) async throws {
        let move = "POST /v1/projects/\(Self.project)/move"
        let routes = [
            "GET /v1/projects/notes": Self.show(isRunning: true), move: Self.ended(.move),
        ]
        try await CannedHub.serving(routes) { hub in
            let berth = try BerthProcess(loggedInTo: hub.address)
            let result = try await berth.onTerminal(
                "project move notes --to h2", input: answer + "\n")
            #expect(result.code == code)
            #expect(result.text.contains("Move it? [y/N]"))
            #expect(hub.requests(move).count == (code == 0 ? 1 : 0))
        }
    }
}

@Suite("berth host drain", .timeLimit(.minutes(2)))
struct DrainCommandTests {
    private static func plan(_ refusal: String? = nil) -> DrainPlan {
        DrainPlan(
            host: Samples.hostID, hostName: "h1", state: .ready, seenAt: nil, projects: 61,
            provisioned: 60, running: 4, fresh: 57, exposed: 3, never: 1, bytes: 3 << 40,
            atRisk: ["exam-3"],
            targets: [DrainPlan.Target(host: Samples.hostID, name: "h2", freeBytes: 2 << 40)],
            refusal: refusal)
    }

    private static let route: CannedHub.Route = { seen, _ in
        let request = try JSON.decode(DrainRequest.self, from: seen.body)
        if request.isDryRun { return try CannedHub.json(plan()) }
        var end = Samples.operation(.succeeded, kind: .drain)
        end.result = try JSON.value(GroupResult(counts: ItemCounts(done: 59, deferred: 2)))
        return try CannedHub.json(end, status: 202)
    }

    @Test(
        "shows its plan, and begins after a yes",
        arguments: [(["--dry-run"], 0, 1), ([], 11, 1), (["--yes", "--max-parallel", "8"], 0, 2)]
            as [([String], Int32, Int)])
    func drain(flags: [String], code: Int32, requests: Int) async throws {
        let path = "POST /v1/hosts/h1/drain"
        try await CannedHub.serving([path: Self.route]) { hub in
            let result = try await BerthProcess(loggedInTo: hub.address).run(
                ["host", "drain", "h1", "--to", "h2"] + flags)
            #expect(result.code == code, "\(result.errorText)")
            #expect((result.text + result.errorText).contains("61 projects leave h1"))
            #expect((result.text + result.errorText).contains("exam-3"))
            #expect(hub.requests(path).count == requests)
            guard requests == 2, let last = hub.requests(path).last else { return }
            let request = try JSON.decode(DrainRequest.self, from: last.body)
            #expect(request.targets == ["h2"])
            #expect(request.maxParallel == 8)
            #expect(
                result.text.hasPrefix(
                    "✔ drained h1: 61 moved, 2 of them to be cleaned up when it is back"))
        }
    }
}
