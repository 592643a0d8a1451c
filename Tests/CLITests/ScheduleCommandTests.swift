import HTTP
import Platform
import Shared
import Testing

@testable import CLI

@Suite("berth batch and schedule", .timeLimit(.minutes(2)))
struct ScheduleCommandTests {
    private static let id = ScheduleID(milliseconds: 1_795_000_000_000, random: (5, 6))

    private static func schedule(_ request: CreateScheduleRequest) -> ScheduleDescription {
        ScheduleDescription(
            id: id, name: request.name,
            definition: ScheduleDefinition(
                work: request.work, project: nil, filter: request.filter,
                cadence: request.cadence, isPaused: request.isPaused),
            projectName: request.project, nextDue: request.isPaused ? nil : Samples.now,
            lastFiredAt: Samples.now, lastOperation: Samples.operationID(),
            lastState: .succeeded, lastProblem: nil, missed: 3, createdAt: Samples.now)
    }

    @Test(
        "schedule create says what it means, and shows it",
        arguments: [
            (
                ["backup", "--all", "--daily", "02:30", "--jitter", "10m"],
                Cadence(everySeconds: 86_400, offsetSeconds: 9000, jitterSeconds: 600),
                "daily 02:30 + up to 10m"
            ),
            (
                ["backup", "--project", "notes", "--every", "6h", "--offset", "5m"],
                Cadence(everySeconds: 21_600, offsetSeconds: 300), "every 6h + 5m"
            ),
            (
                [
                    "forget", "--filter", "host=h1 freshness=dirty", "--every", "7d",
                    "--keep-daily", "7",
                ], Cadence(everySeconds: 604_800), "every 7d"
            ),
        ] as [([String], Cadence, String)])
    func create(words: [String], cadence: Cadence, shown: String) async throws {
        let path = "POST /v1/schedules"
        let routes: [String: CannedHub.Route] = [
            path: { seen, _ in
                let request = try JSON.decode(CreateScheduleRequest.self, from: seen.body)
                return try CannedHub.json(Self.schedule(request), status: 201)
            }
        ]
        try await CannedHub.serving(routes) { hub in
            let result = try await BerthProcess(loggedInTo: hub.address).run(
                ["schedule", "create", "nightly"] + words)
            #expect(result.code == 0, "\(result.errorText)")
            let seen = try #require(hub.requests(path).first)
            let request = try JSON.decode(CreateScheduleRequest.self, from: seen.body)
            #expect(request.cadence == cadence)
            #expect(request.work.verb.rawValue == words[0])
            #expect((request.work.policy != nil) == (words[0] == "forget"))
            #expect((request.project != nil) == words.contains("--project"))
            #expect((request.filter != nil) != words.contains("--project"))
            #expect(result.text.contains(shown))
            #expect(result.text.contains("succeeded"))
        }
    }

    @Test(
        "what does not say enough, or too much, is refused before anything is sent",
        arguments: [
            ["schedule", "create", "x", "backup", "--every", "6h"],
            ["schedule", "create", "x", "backup", "--all"],
            ["schedule", "create", "x", "dance", "--all", "--every", "6h"],
            ["schedule", "create", "x", "backup", "--all", "--every", "6h", "--daily", "02:30"],
            ["schedule", "create", "x", "backup", "--all", "--daily", "2:30"],
            ["batch", "create", "backup"], ["batch", "create", "backup", "--filter", "colour=red"],
        ])
    func refused(words: [String]) async throws {
        try await CannedHub.serving([:]) { hub in
            let result = try await BerthProcess(loggedInTo: hub.address).run(words)
            #expect(result.code == 2, "\(result.errorText)")
        }
    }

    @Test("batch create sends its filter, and says what was done and skipped")
    func batch() async throws {
        let path = "POST /v1/batches"
        let routes: [String: CannedHub.Route] = [
            path: { _, _ in
                var end = Samples.operation(.succeeded, kind: .batch)
                end.result = try JSON.value(GroupResult(counts: ItemCounts(done: 12, skipped: 3)))
                return try CannedHub.json(end, status: 202)
            }
        ]
        try await CannedHub.serving(routes) { hub in
            let result = try await BerthProcess(loggedInTo: hub.address).run(
                ["batch", "create", "backup", "--filter", "freshness=dirty", "--max", "50"])
            #expect(result.text.hasPrefix("✔ backup of 12 projects done, 3 skipped"))
            let seen = try #require(hub.requests(path).first)
            let request = try JSON.decode(BatchRequest.self, from: seen.body)
            #expect(request.filter == ProjectFilter(words: ["freshness=dirty"]))
            #expect(request.limit == 50)
        }
    }
}
