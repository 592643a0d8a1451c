import Platform
import Postgres
import Shared
import Testing

@testable import Hub

@Suite("A database that went back in time", .timeLimit(.minutes(2)))
struct HistoryRecoveryTests {
    /// A host with its ledger.
    struct Member: Sendable {
        let engine: Engine
        let id: HostID
        let ledger: LedgerID
        let session: SessionID

        init(_ engine: Engine, _ name: String) async throws {
            self.engine = engine
            id = try await engine.host(name)
            ledger = try await engine.pool.query("SELECT ledger FROM hosts WHERE id = \(id)")
                .one().decode("ledger")
            session = engine.identifiers.make(SessionIdentity.self)
        }

        func open(
            knowing timeline: TimelineID, epoch: Int64, acknowledged: Int64
        ) async throws -> OpenSessionAnswer {
            try await engine.service.openSession(
                OpenSessionRequest(
                    session: session, ledger: ledger, agentVersion: "test", timeline: timeline,
                    highestEpoch: epoch, acknowledgedReport: acknowledged), host: id)
        }

        /// Tells all that is here: projects with their volumes' generations.
        func tell(_ volumes: [ProjectID: Int64], sequence: Int64, isFrozen: Bool = false)
            async throws
        {
            let found = volumes.map { project, generation in
                VolumeObservation(
                    project: project, generation: generation, transid: 1, coveredTransid: nil,
                    subvolume: "s", freshness: .unknown, firstChangeAt: nil, runtime: .stopped,
                    base: nil, isFrozen: isFrozen)
            }
            let report = Report(
                sequence: sequence, time: Timestamp(milliseconds: 1_790_000_000_000),
                content: .inventory(
                    Inventory(
                        filesystem: engine.identifiers.make(FilesystemIdentity.self),
                        volumes: found)))
            let answer = try await engine.service.applyReports(
                ReportsRequest(session: session, ledger: ledger, reports: [report]), host: id)
            #expect(answer.applied == sequence)
        }

        func lease() async throws -> [LeasedOperation] {
            try await engine.service.lease(
                LeaseRequest(
                    session: session, request: engine.identifiers.make(RequestIdentity.self),
                    capacity: 10, waitMilliseconds: 0), host: id
            ).operations
        }
    }

    private func timeline(_ engine: Engine) async throws -> TimelineID {
        try await engine.pool.withTransaction { try await HistoryStore($0).current() }
    }

    @Test("a host that has seen more begins another history, once, and orders follow its inventory")
    func newHistory() async throws {
        let engine = try await Engine()
        let (one, two) = (try await Member(engine, "one"), try await Member(engine, "two"))
        let before = try await timeline(engine)
        #expect(try await one.open(knowing: before, epoch: 0, acknowledged: 0).timeline == before)
        _ = try await engine.service.create(.hostCheck(one.id), by: engine.author)

        let answer = try await one.open(knowing: before, epoch: 5000, acknowledged: 40)
        #expect(answer.timeline != before)
        #expect(answer.appliedReport == 40)
        #expect(try await one.lease().isEmpty)
        let other = try await two.open(knowing: before, epoch: 7000, acknowledged: 0)
        #expect(other.timeline == answer.timeline)
        let again = try await one.open(knowing: answer.timeline, epoch: 5000, acknowledged: 40)
        #expect(again.timeline == answer.timeline)

        #expect(try await one.lease().isEmpty)
        try await one.tell([:], sequence: 41)
        let leased = try await one.lease()
        #expect(leased.count == 1)
        #expect(leased.allSatisfy { $0.epoch > 7000 })
    }

    @Test("a volume of a later generation is the placement, whichever host is heard first")
    func adopted() async throws {
        for isSourceFirst in [true, false] {
            let engine = try await Engine()
            let (one, two) = (try await Member(engine, "one"), try await Member(engine, "two"))
            let moved = try await engine.project("moved", on: one.id)
            let restored = try await engine.project("restored", on: one.id)
            let before = try await timeline(engine)
            let after = try await one.open(knowing: before, epoch: 9, acknowledged: 5).timeline
            _ = try await two.open(knowing: after, epoch: 9, acknowledged: 0)
            if isSourceFirst {
                try await one.tell([restored: 4], sequence: 6)
                try await two.tell([moved: 3], sequence: 1)
            } else {
                try await two.tell([moved: 3], sequence: 1)
                #expect(try await engine.facts(moved).host == one.id)
                try await one.tell([restored: 4], sequence: 6)
            }
            let facts = try await engine.facts(moved)
            #expect(facts.host == two.id)
            #expect(facts.generation == 3)
            #expect(facts.provisioned == true)
            #expect(try await engine.facts(restored).generation == 4)
            let quarantined = try await engine.pool.query(
                "SELECT count(*) AS count FROM quarantined_volumes"
            ).one().decode("count", as: Int.self)
            #expect(quarantined == 0)
        }
    }

    @Test("where the volume that the registry knows of is in use, both are kept for a person")
    func conflict() async throws {
        for isSourceFirst in [true, false] {
            let engine = try await Engine()
            let (one, two) = (try await Member(engine, "one"), try await Member(engine, "two"))
            let project = try await engine.project("torn", on: one.id)
            let before = try await timeline(engine)
            let after = try await one.open(knowing: before, epoch: 9, acknowledged: 5).timeline
            _ = try await two.open(knowing: after, epoch: 9, acknowledged: 0)
            if isSourceFirst { try await one.tell([project: 1], sequence: 6) }
            try await two.tell([project: 2], sequence: 1)
            if !isSourceFirst { try await one.tell([project: 1], sequence: 6) }
            let facts = try await engine.facts(project)
            #expect(facts.host == one.id)
            #expect(facts.generation == 1)
            let kept = try await engine.pool.query(
                "SELECT host FROM quarantined_volumes WHERE project = \(project)")
            #expect(try kept.rows.map { try $0.decode("host", as: HostID.self) } == [two.id])
        }
    }
}
