import Postgres
import Shared
import Testing

@testable import Hub

@Suite("A workflow, driven through by hosts", .timeLimit(.minutes(3)))
struct WorkflowRunTests {
    private func run(
        isProvisioned: Bool = true, isWanted: Bool = false, command: [String] = ["/bin/serve"],
        fails: @escaping ScriptedAgent.Script = { _, _ in nil },
        _ body: @escaping @Sendable (Engine, ScriptedAgent, ProjectID) async throws -> Void
    ) async throws {
        let engine = try await Engine()
        let host = try await engine.host("a")
        let agent = try await ScriptedAgent(engine, host, "a", fails: fails)
        let project = try await engine.project(
            "web", on: host, isProvisioned: isProvisioned, isWanted: isWanted, command: command)
        try await engine.running {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await agent.work() }
                defer { group.cancelAll() }
                try await body(engine, agent, project)
            }
        }
    }

    private static func end(
        _ engine: Engine, _ order: OperationOrder
    ) async throws -> OperationDescription {
        let created = try await engine.service.create(order, by: engine.author)
        return try #require(
            try await engine.service.waitForTerminal(created.operation.id, atMost: .seconds(40)))
    }

    @Test("start makes a volume where no backup ever was")
    func startNew() async throws {
        try await run(isProvisioned: false) { engine, agent, project in
            let ended = try await Self.end(engine, .start(project))
            #expect(ended.state == .succeeded, "\(ended.failure?.description ?? "")")
            #expect(await agent.done == ["a volume.create", "a runtime.start"])
            #expect(try await engine.facts(project).provisioned == true)
            try await engine.expectNothingLeft()
        }
    }

    @Test("start restores the newest backup before it starts")
    func startRestores() async throws {
        try await run(isProvisioned: false, command: []) { engine, agent, project in
            try await engine.backup(of: project)
            let ended = try await Self.end(engine, .start(project))
            #expect(ended.state == .succeeded, "\(ended.failure?.description ?? "")")
            #expect(await agent.done == ["a volume.restore", "a runtime.start"])
            try await engine.expectNothingLeft()
        }
    }

    @Test("start whose restore fails starts nothing and is no empty start")
    func startNeverEmpty() async throws {
        try await run(
            isProvisioned: false,
            fails: { operation, _ in
                operation.kind == .volumeRestore
                    ? Failure(code: "repository-missing", message: "no repository") : nil
            }
        ) { engine, agent, project in
            try await engine.backup(of: project)
            let ended = try await Self.end(engine, .start(project))
            #expect(ended.failure?.code == "repository-missing")
            #expect(await agent.done == ["a volume.restore"])
            #expect(try await engine.facts(project).provisioned == false)
            try await engine.expectNothingLeft()
        }
    }

    @Test("stop stops and the project is not meant to run any more")
    func stop() async throws {
        try await run(isWanted: true) { engine, agent, project in
            #expect(try await Self.end(engine, .stop(project)).state == .succeeded)
            #expect(await agent.done == ["a runtime.stop"])
            let wanted = try await engine.pool.query("SELECT is_wanted_running AS w FROM projects")
            #expect(try wanted.one().decode("w", as: Bool.self) == false)
        }
    }

    @Test("no backup builds on one of which something may be lost, until a new one is whole")
    func distrust() async throws {
        try await run { engine, _, project in
            func end() async throws -> BackupID {
                let ended = try await Self.end(engine, .backup(project, BackupOrder()))
                return try JSON.decode(
                    VolumeBackupResult.self, from: try #require(ended.result)
                ).backup.id
            }
            func base() async throws -> BackupID? {
                let root = engine.identifiers.make(OperationIdentity.self)
                return try await engine.pool.withTransaction { transaction in
                    try await WorkflowFactsReader(transaction).project(
                        project, for: root, target: nil)?.base?.id
                }
            }
            func checked(findings: Int) async throws {
                var result = CheckResult()
                result.findingCount = findings
                let found = result
                try await engine.pool.withTransaction { transaction in
                    try await RepositoryHealthStore(transaction).record(
                        found, reading: .all, of: project)
                }
            }
            let first = try await end()
            #expect(try await base() == first)
            try await checked(findings: 0)
            #expect(try await base() == first)
            try await checked(findings: 2)
            #expect(try await base() == nil)
            // Repaired: what was lost is not there, whatever hosts remember of the first one.
            try await checked(findings: 0)
            #expect(try await base() == nil)
            let second = try await end()
            #expect(try await base() == second)
        }
    }

    @Test("backup gives the recorded backup and lets go of its base")
    func backup() async throws {
        try await run { engine, _, project in
            let first = try await Self.end(engine, .backup(project, BackupOrder()))
            #expect(first.state == .succeeded)
            let second = try await Self.end(engine, .backup(project, BackupOrder(tags: ["x"])))
            let result = try JSON.decode(
                VolumeBackupResult.self, from: try #require(second.result))
            #expect(
                try await engine.service.list(
                    OperationFilter(kind: .backup), before: nil, limit: 10
                ).count == 2)
            #expect(try await engine.facts(project).lastBackup == result.backup.takenAt)
            try await engine.expectNothingLeft()
        }
    }

    @Test("restore stops, saves what is there, exchanges it, and starts again")
    func restore() async throws {
        try await run(isWanted: true) { engine, agent, project in
            let backup = try await engine.backup(of: project)
            let ended = try await Self.end(
                engine, .restore(project, RestoreOrder(backup: backup, overwrite: .always)))
            #expect(ended.state == .succeeded, "\(ended.failure?.description ?? "")")
            #expect(
                await agent.done == [
                    "a runtime.stop", "a volume.backup", "a volume.restore", "a runtime.start",
                ])
            #expect(try await engine.facts(project).generation == 2)
            try await engine.expectNothingLeft()
        }
    }

    @Test(
        "restore that fails leaves the project as it was, running",
        arguments: [
            OperationKind.runtimeStop, .volumeBackup, .volumeRestore,
        ])
    func restoreFails(_ kind: OperationKind) async throws {
        try await run(
            isWanted: true,
            fails: { operation, _ in
                operation.kind == kind ? Failure(code: "injected", message: "no") : nil
            }
        ) { engine, agent, project in
            let backup = try await engine.backup(of: project)
            let ended = try await Self.end(
                engine, .restore(project, RestoreOrder(backup: backup, overwrite: .always)))
            #expect(ended.failure?.code == "injected")
            #expect(await agent.done.last == "a runtime.start")
            #expect(try await engine.facts(project).generation == 1)
            try await engine.expectNothingLeft()
        }
    }

    @Test("restore of a path touches nothing else")
    func restorePath() async throws {
        try await run { engine, agent, project in
            let backup = try await engine.backup(of: project)
            let ended = try await Self.end(
                engine,
                .restore(
                    project,
                    RestoreOrder(
                        backup: backup, path: try ProjectPath("etc/x"), overwrite: .always)))
            #expect(ended.state == .succeeded)
            #expect(await agent.done == ["a volume.apply"])
            try await engine.expectNothingLeft()
        }
    }

    @Test("delete stops, retires and removes the project, and its name is free")
    func delete() async throws {
        try await run { engine, agent, project in
            #expect(try await Self.end(engine, .delete(project)).state == .succeeded)
            #expect(await agent.done == ["a runtime.stop", "a volume.retire"])
            #expect(try await engine.facts(project).deletedAt != nil)
            try await engine.expectNothingLeft()
        }
    }

    @Test("import into a project without a volume makes one, and execute runs a command")
    func importAndExecute() async throws {
        try await run(isProvisioned: false) { engine, agent, project in
            let refused = await #expect(throws: Problem.self) {
                _ = try await engine.service.create(
                    .execute(
                        project,
                        ExecuteRequest(command: ["true"], asRoot: false, timeoutSeconds: nil)),
                    by: engine.author)
            }
            #expect(refused?.code == "no-volume")
            let imported = try await Self.end(
                engine,
                .importTree(
                    project,
                    ImportRequest(directory: "/usr", destination: .root, isFaithful: false)))
            #expect(imported.state == .succeeded)
            let executed = try await Self.end(
                engine,
                .execute(
                    project, ExecuteRequest(command: ["true"], asRoot: false, timeoutSeconds: 5)))
            #expect(executed.state == .succeeded)
            #expect(await agent.done == ["a volume.create", "a volume.import", "a volume.execute"])
            try await engine.expectNothingLeft()
        }
    }

    @Test("is ended for good by a cancel while its child waits for an offline host")
    func cancelReachesChildren() async throws {
        let engine = try await Engine()
        let host = try await engine.host("a")
        let project = try await engine.project("web", on: host)
        try await engine.running {
            let id = try await engine.service.create(
                .backup(project, BackupOrder()), by: engine.author
            ).operation.id
            while try await engine.service.describe(id)?.state != .waiting {
                _ = try await engine.service.waitForTerminal(id, atMost: .milliseconds(20))
            }
            let waiting = try #require(try await engine.service.describe(id))
            #expect(waiting.waiting?.reason == .hostOffline)
            _ = try await engine.service.cancel(id, by: engine.author)
            let ended = try await engine.service.waitForTerminal(id, atMost: .seconds(20))
            #expect(ended?.state == .canceled)
            let child = try #require(ended?.children?.first)
            #expect(try await engine.service.describe(child)?.state == .canceled)
            try await engine.expectNothingLeft()
        }
    }
}

@Suite("A workflow that is given up", .timeLimit(.minutes(2)))
struct WorkflowGivenUpTests {
    @Test("stops its children and holds nothing any more")
    func stopsChildren() async throws {
        let engine = try await Engine()
        let host = try await engine.host("a")
        let project = try await engine.project("web", on: host)
        let agent = try await ScriptedAgent(engine, host)
        try await agent.open()
        let id = try await engine.service.create(.delete(project), by: engine.author).operation.id
        // One session of a hub takes it, does its first step, and is lost in its last attempt.
        try await engine.running {
            while try await engine.service.describe(id)?.state != .waiting {
                _ = try await engine.service.waitForTerminal(id, atMost: .milliseconds(20))
            }
        }
        let again = Engine(again: engine)
        try await again.pool.query(
            "UPDATE operation_waiting SET tries = 999 WHERE operation = \(id)")
        let session = again.identifiers.make(SessionIdentity.self)
        try await again.changes.run { change in
            _ = try await SessionStore(change.transaction).open(
                session, host: nil, name: "hub", leaseMilliseconds: 60_000)
            try await change.wake(id)
            _ = try await LaneTurns(lane: OperationBell.hub).claim(
                limit: 1, holder: OperationClaim.Holder(session: session),
                in: change.transaction)
            try await SessionStore(change.transaction).end(session)
        }
        try await again.rescue.sweep()
        #expect(try await again.service.describe(id)?.failure?.code == "lease-lost")
        try await again.expectNothingLeft()
        await again.pool.close()
    }
}
