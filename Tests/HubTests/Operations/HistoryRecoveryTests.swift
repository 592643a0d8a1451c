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
            knowing timeline: TimelineID, epoch: Int64, acknowledged: Int64,
            head: LogHead? = nil
        ) async throws -> OpenSessionAnswer {
            try await engine.service.openSession(
                OpenSessionRequest(
                    session: session, ledger: ledger, agentVersion: "test", timeline: timeline,
                    highestEpoch: epoch, acknowledgedReport: acknowledged, logHead: head),
                host: id)
        }

        func beat(_ head: LogHead) async throws -> LogHead? {
            try await engine.service.heartbeat(
                HeartbeatRequest(
                    session: session, held: [],
                    status: HostStatus(
                        agentVersion: "1", filesystem: nil, freeBytes: 1, totalBytes: 2,
                        outboxPending: 0, trouble: nil), logHead: head), host: id
            ).logHead
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

        func lease(knowing head: LogHead? = nil) async throws -> [LeasedOperation] {
            try await engine.service.lease(
                LeaseRequest(
                    session: session, request: engine.identifiers.make(RequestIdentity.self),
                    capacity: 10, waitMilliseconds: 0, logHead: head), host: id
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

    @Test(
        "is found out by an entry of its log that it does not have, whatever it has given out since",
        arguments: [false, true])
    func logHead(isIdle: Bool) async throws {
        let engine = try await Engine()
        let (one, two) = (try await Member(engine, "one"), try await Member(engine, "two"))
        let before = try await timeline(engine)
        let opened = try await one.open(knowing: before, epoch: 0, acknowledged: 0)
        let first = try #require(opened.logHead)
        #expect(first.sequence > 0 && first.history == before)
        _ = try await two.open(knowing: before, epoch: 0, acknowledged: 0)
        // The log goes on: what was told stays true.
        _ = try await engine.project("web", on: one.id)
        let told = try #require(try await one.beat(first))
        #expect(told.sequence > first.sequence)
        #expect(
            try await one.open(knowing: before, epoch: 0, acknowledged: 0, head: told).timeline
                == before)

        // Another entry has the number, or none has it yet.
        var lost = told
        if isIdle { lost.sequence += 5 } else { lost.hash = first.hash }
        if isIdle {
            let renewed = try await SessionBeatStore(pool: engine.pool).renew(
                [(try idleBeat(one, lost), one.id), (try idleBeat(two, told), two.id)],
                leaseMilliseconds: 20_000)
            #expect(renewed.open == [two.session: false])
            #expect(renewed.head == told)
            #expect(try await one.lease(knowing: told).isEmpty)
            let problem = await #expect(throws: Problem.self) {
                _ = try await one.lease(knowing: lost)
            }
            #expect(problem?.code == "session-ended")
        } else {
            let problem = await #expect(throws: Problem.self) { _ = try await one.beat(lost) }
            #expect(problem?.code == "session-ended")
        }
        let after = try await one.open(knowing: before, epoch: 0, acknowledged: 0, head: lost)
        #expect(after.timeline != before)
        #expect(try await one.lease().isEmpty)
        // Once: the next one knows of the same loss.
        let again = try await two.open(knowing: before, epoch: 0, acknowledged: 0, head: lost)
        #expect(again.timeline == after.timeline)
    }

    private func idleBeat(_ member: Member, _ head: LogHead) throws -> HeartbeatRequest {
        HeartbeatRequest(
            session: member.session, held: [],
            status: HostStatus(
                agentVersion: "1", filesystem: nil, freeBytes: 1, totalBytes: 2,
                outboxPending: 0, trouble: nil), logHead: head)
    }

    @Test("is found out by a history that it has never heard of, once")
    func unknownHistory() async throws {
        let engine = try await Engine()
        let (one, two) = (try await Member(engine, "one"), try await Member(engine, "two"))
        let before = try await timeline(engine)
        let later = engine.identifiers.make(TimelineIdentity.self)
        let answer = try await one.open(knowing: later, epoch: 0, acknowledged: 0)
        #expect(answer.timeline != before && answer.timeline != later)
        let other = try await two.open(knowing: later, epoch: 0, acknowledged: 0)
        #expect(other.timeline == answer.timeline)
        // One that has not heard of it yet knows the one before.
        #expect(
            try await two.open(knowing: before, epoch: 0, acknowledged: 0).timeline
                == answer.timeline)
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
