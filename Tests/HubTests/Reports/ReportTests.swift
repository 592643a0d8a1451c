import Postgres
import Shared
import Testing

@testable import Hub

@Suite("Reports of a host", .timeLimit(.minutes(2)))
struct ReportTests {
    private func observation(
        _ project: ProjectID, generation: Int64 = 1, freshness: Freshness = .dirty
    ) -> VolumeObservation {
        VolumeObservation(
            project: project, generation: generation, transid: 7, coveredTransid: 5,
            subvolume: "0a", freshness: freshness,
            firstChangeAt: Timestamp(milliseconds: 1_700_000_000_000), runtime: .running,
            base: nil, isFrozen: false)
    }

    private func report(_ sequence: Int64, _ content: ReportContent) -> Report {
        Report(
            sequence: sequence, time: Timestamp(milliseconds: 1_700_000_000_000 + sequence),
            content: content)
    }

    private func quarantined(_ engine: Engine) async throws -> [String] {
        try await engine.pool.query("SELECT reason FROM quarantined_volumes ORDER BY reason").rows
            .map { try $0.decode("reason") }
    }

    @Test("are applied once and in order: duplicates skipped, a gap stops, the prefix acknowledged")
    func order() async throws {
        let engine = try await Engine()
        let host = try await engine.host("a")
        let agent = try await ScriptedAgent(engine, host)
        try await agent.open()
        let project = try await engine.project("web", on: host, isProvisioned: false)
        let dirty = ReportContent.volume(observation(project))
        let fresh = ReportContent.volume(observation(project, freshness: .fresh))
        #expect(try await agent.send([report(2, fresh)]) == 0)
        #expect(try await agent.send([report(2, dirty), report(1, fresh), report(4, fresh)]) == 2)
        #expect(try await engine.facts(project).freshness == .dirty)
        #expect(try await engine.facts(project).provisioned == true)
        #expect(try await agent.send([report(1, fresh), report(2, fresh)]) == 2)
        #expect(try await engine.facts(project).freshness == .dirty)
        #expect(try await agent.send([report(3, fresh), report(4, dirty), report(5, fresh)]) == 5)
        #expect(try await engine.facts(project).freshness == .fresh)
    }

    @Test("of a volume that is being restored count from the change of its placement on")
    func aheadOfPlacement() async throws {
        let engine = try await Engine()
        let host = try await engine.host("a")
        let agent = try await ScriptedAgent(engine, host)
        try await agent.open()
        let project = try await engine.project("web", on: host)
        let backup = try await engine.backup(of: project)
        try await agent.report(.volume(observation(project)))
        #expect(try await engine.facts(project).freshness == .dirty)
        _ = try await engine.service.create(
            .restore(project, RestoreOrder(backup: backup, overwrite: .always)),
            by: engine.author)
        try await agent.report(
            .volume(observation(project, generation: 2, freshness: .fresh)))
        #expect(try await engine.facts(project).freshness != .fresh)
        try await engine.record(
            .placementChanged(
                PlacementChanged(project: project, host: host, generation: 2, isProvisioned: true)))
        #expect(try await engine.facts(project).freshness == .fresh)
    }

    @Test("sent twice at the same time count once")
    func twice() async throws {
        let engine = try await Engine()
        let host = try await engine.host("a")
        let agent = try await ScriptedAgent(engine, host)
        for _ in 0..<20 { _ = try await engine.service.create(.hostCheck(host), by: engine.author) }
        try await agent.open()
        let leased = try await agent.lease(20)
        let reports = leased.enumerated().map { index, operation in
            report(
                Int64(index + 1),
                .operationFinished(
                    OperationOutcome(
                        operation: operation.id, epoch: operation.epoch, state: .succeeded,
                        result: nil, failure: nil)))
        }
        let answers = try await withThrowingTaskGroup(of: Int64.self) { group in
            for _ in 0..<8 { group.addTask { try await agent.send(reports) } }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(answers == Array(repeating: 20, count: 8))
        try await engine.expectNothingLeft()
    }

    @Test("of another ledger are refused and the ledger is noted")
    func otherLedger() async throws {
        let engine = try await Engine()
        let host = try await engine.host("a")
        let agent = try await ScriptedAgent(engine, host)
        try await agent.open()
        let stranger = engine.identifiers.make(LedgerIdentity.self)
        let problem = await #expect(throws: Problem.self) {
            _ = try await agent.send([], ledger: stranger)
        }
        #expect(problem?.code == "ledger-quarantined")
        let noted = try await engine.pool.query(
            "SELECT quarantine_reason FROM inbox WHERE ledger = \(stranger)")
        #expect(noted.rows.count == 1)
    }

    @Test("of volumes that belong elsewhere quarantine them and change no placement")
    func foreignVolumes() async throws {
        let engine = try await Engine()
        let host = try await engine.host("a")
        let other = try await engine.host("b")
        let agent = try await ScriptedAgent(engine, host)
        try await agent.open()
        let elsewhere = try await engine.project("elsewhere", on: other, isProvisioned: false)
        let old = try await engine.project("old", on: host)
        try await engine.record(
            .placementChanged(
                PlacementChanged(project: old, host: host, generation: 2, isProvisioned: false)))
        let unknown = engine.identifiers.make(ProjectIdentity.self)
        try await agent.report(
            .volume(observation(elsewhere)), .volume(observation(old)),
            .volume(observation(unknown)))
        #expect(
            try await quarantined(engine) == [
                "no project with this identity is known",
                "the project is placed here with "
                    + "generation 2, and the volume has 1", "the project is placed on another host",
            ])
        #expect(try await engine.facts(elsewhere).provisioned == false)
        #expect(try await engine.facts(old).provisioned == false)
        // An inventory without them ends the quarantine.
        try await agent.report(
            .inventory(
                Inventory(
                    filesystem: engine.identifiers.make(FilesystemIdentity.self), volumes: [])))
        #expect(try await quarantined(engine).isEmpty)
    }

    @Test("of an inventory say which placed volumes are missing")
    func inventory() async throws {
        let engine = try await Engine()
        let host = try await engine.host("a")
        let agent = try await ScriptedAgent(engine, host)
        try await agent.open()
        let there = try await engine.project("there", on: host, isProvisioned: false)
        let gone = try await engine.project("gone", on: host)
        try await agent.report(
            .inventory(
                Inventory(
                    filesystem: engine.identifiers.make(FilesystemIdentity.self),
                    volumes: [observation(there)])))
        #expect(try await engine.facts(there).provisioned == true)
        #expect(try await engine.facts(there).runtimeState == .running)
        #expect(try await engine.facts(gone).provisioned == false)
        try await agent.report(.volumeGone(there))
        #expect(try await engine.facts(there).provisioned == false)
        #expect(try await engine.facts(there).runtimeState == nil)
    }
}
