import Platform
import Postgres
import Shared
import Testing

@testable import Hub

@Suite("The fleet's numbers", .timeLimit(.minutes(2)))
struct FleetNumberTests {
    /// What the kept numbers must equal: counted from the tables themselves.
    private func expectNumbersHold(_ engine: Engine) async throws {
        let kept = try await engine.pool.withTransaction { try await ProjectReader($0).counts() }
        let row = try await engine.pool.query(
            """
            SELECT count(*) AS total, count(*) FILTER (WHERE l.is_provisioned) AS provisioned,
                count(*) FILTER (WHERE l.is_provisioned IS NULL) AS provisioned_unknown,
                count(*) FILTER (WHERE a.runtime = 'running') AS running,
                count(*) FILTER (WHERE l.is_provisioned AND a.freshness = 'fresh') AS fresh,
                count(*) FILTER (WHERE l.is_provisioned AND a.freshness = 'dirty') AS dirty,
                count(*) FILTER (WHERE l.is_provisioned IS NOT false
                    AND coalesce(a.freshness, 'unknown') = 'unknown') AS unknown,
                count(*) FILTER (WHERE l.is_provisioned AND NOT EXISTS (
                    SELECT FROM backups b
                    WHERE b.project = p.id AND b.forgotten_at IS NULL)) AS never
            FROM projects p JOIN placements l ON l.project = p.id
            LEFT JOIN project_activity a ON a.project = p.id AND a.host = l.host
                AND a.generation = l.generation
            WHERE p.deleted_at IS NULL
            """
        ).one()
        let counted = ProjectCounts(
            total: try row.decode("total"), provisioned: try row.decode("provisioned"),
            provisionedUnknown: try row.decode("provisioned_unknown"),
            running: try row.decode("running"), fresh: try row.decode("fresh"),
            dirty: try row.decode("dirty"), freshnessUnknown: try row.decode("unknown"),
            never: try row.decode("never"))
        #expect(kept == counted)
        let wrong = try await engine.pool.query(
            """
            SELECT count(*) AS wrong FROM (
                (SELECT * FROM project_standing EXCEPT SELECT * FROM project_standing_now)
                UNION ALL
                (SELECT * FROM project_standing_now EXCEPT SELECT * FROM project_standing)) AS x
            """
        ).one()
        #expect(try wrong.decode("wrong", as: Int.self) == 0)
    }

    private func report(
        _ engine: Engine, _ project: ProjectID, on host: HostID, generation: Int64,
        random: inout Random
    ) async throws {
        let states: [Freshness] = [.fresh, .dirty, .unknown]
        let freshness = states[Int(random.next() % 3)]
        let at = Timestamp(milliseconds: 1_700_000_000_000 + Int64(random.next() % 1_000_000))
        let observation = VolumeObservation(
            project: project, generation: generation, transid: Int64(random.next() % 1000),
            coveredTransid: nil, subvolume: "s", freshness: freshness,
            firstChangeAt: freshness == .dirty ? at : nil,
            runtime: random.next() % 2 == 0 ? .running : .stopped, base: nil, isFrozen: false)
        try await engine.changes.run { change in
            try await VolumeReports(host: host).apply(observation, at: at, in: &change)
        }
    }

    @Test("they equal a count of the tables after any mix of changes at once, folded or not")
    func mixture() async throws {
        let engine = try await Engine()
        let hosts = [try await engine.host("a"), try await engine.host("b")]
        var made: [ProjectID] = []
        for number in 0..<12 {
            made.append(
                try await engine.project(
                    "p-\(number)", on: hosts[number % 2], isProvisioned: number % 3 != 0))
        }
        let projects = made
        try await expectNumbersHold(engine)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<6 {
                group.addTask {
                    var random = Random()
                    for _ in 0..<30 {
                        let project = projects[Int(random.next() % UInt64(projects.count))]
                        let facts = try await engine.facts(project)
                        let host = hosts[Int(random.next() % 2)]
                        do {
                            switch random.next() % 8 {
                            case 0:
                                try await engine.record(
                                    .placementChanged(
                                        PlacementChanged(
                                            project: project, host: host,
                                            generation: facts.generation + 1,
                                            isProvisioned: random.next() % 2 == 0 ? nil : true)))
                            case 1: try await engine.backup(of: project)
                            case 2:
                                try await engine.record(
                                    .placementProvisioned(
                                        PlacementProvisioned(
                                            project: project, host: facts.host ?? host,
                                            generation: facts.generation,
                                            isProvisioned: random.next() % 2 == 0)))
                            case 3 where random.next() % 8 == 0:
                                try await engine.record(
                                    .projectDeleted(ProjectDeleted(project: project)))
                            case 4:
                                _ = try await engine.pool.withTransaction {
                                    try await FleetNumberStore($0).fold(limit: 5)
                                }
                            default:
                                try await report(
                                    engine, project, on: facts.host ?? host,
                                    generation: facts.generation, random: &random)
                            }
                        } catch is RegistryConflict {
                            // Somebody else was first.
                        }
                    }
                }
            }
            try await group.waitForAll()
        }
        try await expectNumbersHold(engine)
        while try await engine.pool.withTransaction({
            try await FleetNumberStore($0).fold(limit: 100)
        }) > 0 {}
        try await expectNumbersHold(engine)
    }

    @Test("pages follow each other without a gap in every order and with every filter")
    func pages() async throws {
        let engine = try await Engine()
        let hosts = [try await engine.host("a"), try await engine.host("b")]
        var random = Random()
        for number in 0..<25 {
            let host = hosts[number % 2]
            let project = try await engine.project(
                "\(number % 2 == 0 ? "web" : "thesis")-\(number)", on: host,
                isProvisioned: number % 5 != 0)
            if number % 5 != 0 {
                try await report(engine, project, on: host, generation: 1, random: &random)
            }
            if number % 4 == 0 { try await engine.backup(of: project) }
        }
        let all = try await pageThrough(engine, ProjectQuery(limit: 1000))
        #expect(all.count == 25)
        let queries: [(ProjectQuery, @Sendable (ProjectDescription) -> Bool)] = [
            (ProjectQuery(), { _ in true }),
            (ProjectQuery(order: .name), { _ in true }),
            (ProjectQuery(order: .exposure), { $0.freshness == .dirty }),
            (ProjectQuery(order: .name, prefix: "web-1"), { $0.name.hasPrefix("web-1") }),
            (ProjectQuery(order: .name, search: "hesi"), { $0.name.contains("hesi") }),
            (ProjectQuery(search: "is-2"), { $0.name.contains("is-2") }),
            (ProjectQuery(host: hosts[1]), { $0.hostName == "b" }),
            (ProjectQuery(owner: "test"), { _ in true }),
            (ProjectQuery(owner: "nobody"), { _ in false }),
            (ProjectQuery(provisioned: .yes), { $0.provisioned == true }),
            (ProjectQuery(provisioned: .no), { $0.provisioned == false }),
            (ProjectQuery(provisioned: .unknown), { $0.provisioned == nil }),
            (ProjectQuery(isRunning: true), { $0.runtimeState == .running }),
            (ProjectQuery(freshness: .fresh), { $0.freshness == .fresh }),
            (
                ProjectQuery(freshness: .unknown),
                { $0.freshness == .unknown && $0.provisioned != false }
            ),
            (
                ProjectQuery(isWithoutBackup: true),
                { $0.provisioned == true && $0.lastBackup == nil }
            ),
        ]
        for (query, belongs) in queries {
            var query = query
            query.limit = 4
            let found = try await pageThrough(engine, query)
            #expect(Set(found.map(\.id)) == Set(all.filter(belongs).map(\.id)), "\(query)")
            switch query.order {
            case .id: #expect(found.map(\.id) == found.map(\.id).sorted())
            case .name: #expect(found.map(\.name) == found.map(\.name).sorted())
            case .exposure:
                let exposures = found.compactMap(\.exposureSeconds)
                #expect(exposures == exposures.sorted(by: >))
            }
        }
        await #expect(throws: Problem.self) {
            try await pageThrough(engine, ProjectQuery(order: .exposure, cursor: "web-1"))
        }
    }

    private func pageThrough(
        _ engine: Engine, _ query: ProjectQuery
    ) async throws -> [ProjectDescription] {
        var query = query
        var found: [ProjectDescription] = []
        repeat {
            let page = try await engine.pool.withTransaction { [query] in
                try await ProjectReader($0).projects(query)
            }
            found += page.projects
            query.cursor = page.nextCursor
        } while query.cursor != nil
        #expect(Set(found.map(\.id)).count == found.count)
        return found
    }

    @Test("a project is found by its name, and by the beginning and the end of its identifier")
    func references() async throws {
        let engine = try await Engine()
        let host = try await engine.host("a")
        let project = try await engine.project("notes", on: host)
        let id = "\(project)"
        for reference in [
            "notes", id, String(id.prefix(28)), String(id.suffix(6)), String(id.suffix(4)),
        ] {
            let found = try await engine.pool.withTransaction {
                try await RegistryReader($0).resolveProject(reference)
            }
            #expect(found == project, "\(reference)")
        }
        await #expect(throws: Problem.self) {
            try await engine.pool.withTransaction {
                try await RegistryReader($0).resolveProject("zzzzzz")
            }
        }
    }
}
