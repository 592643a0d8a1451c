import Postgres
import Shared

/// Makes, changes and ends schedules, each as an event with its clock in one transaction.
struct ScheduleDesk: Sendable {
    let transaction: PostgresTransaction
    let author: RegistryWriter.Author
    let identifiers: Identifiers

    /// - Throws: `Problem`.
    func create(_ request: CreateScheduleRequest) async throws -> ScheduleID {
        let id = identifiers.make(ScheduleIdentity.self)
        guard (request.project == nil) != (request.filter == nil) else {
            throw Problem.invalidParameter("project", "give either a project or a filter")
        }
        var definition = ScheduleDefinition(
            work: request.work, project: nil, filter: request.filter, cadence: request.cadence,
            isPaused: request.isPaused)
        if let reference = request.project {
            definition.project = try await RegistryReader(transaction).resolveProject(reference)
        }
        try Self.check(definition)
        guard try await !ScheduleStore(transaction).has(named: request.name) else {
            throw Problem(
                status: 409, code: "schedule-exists", title: "The name is taken",
                detail: "a schedule called \(request.name) exists",
                hint: "see berth schedule show \(request.name)")
        }
        try await record(
            .scheduleCreated(
                ScheduleRecorded(schedule: id, name: request.name, definition: definition)))
        try await start(id, definition)
        return id
    }

    /// - Throws: `Problem`.
    func set(_ id: ScheduleID, _ request: SetScheduleRequest) async throws {
        guard try await ScheduleStore(transaction).lock(id),
            let known = try await ScheduleStore(transaction).schedules(only: id).first
        else { throw Problem.notFound("the schedule was deleted") }
        var definition = known.definition
        definition.cadence = request.cadence ?? definition.cadence
        definition.isPaused = request.isPaused ?? definition.isPaused
        definition.work.maxParallel = request.maxParallel ?? definition.work.maxParallel
        definition.work.tries = request.tries ?? definition.work.tries
        guard definition != known.definition else { return }
        try Self.check(definition)
        // The clock first: a firing holds it, and the counter of events waits for nobody.
        if definition.cadence != known.definition.cadence
            || definition.isPaused != known.definition.isPaused
        {
            try await start(id, definition)
        }
        try await record(
            .scheduleChanged(
                ScheduleRecorded(schedule: id, name: known.name, definition: definition)))
    }

    /// - Throws: `Problem`.
    func delete(_ id: ScheduleID) async throws {
        guard try await ScheduleStore(transaction).lock(id) else {
            throw Problem.notFound("the schedule was deleted")
        }
        try await ScheduleStore(transaction).stop(id)
        try await record(.scheduleDeleted(ScheduleDeleted(schedule: id)))
    }

    /// The operation that a firing makes.
    ///
    /// - Throws: `Problem`.
    static func order(
        _ definition: ScheduleDefinition, in transaction: PostgresTransaction
    ) async throws -> OperationOrder {
        let work = try BatchOrder(definition.work)
        if let project = definition.project {
            return work.work.order(
                GroupCandidate(
                    project: project, name: "", tries: 0, freshness: .unknown, hasBackup: false))
        }
        var query = try await ProjectQuery(definition.filter ?? ProjectFilter(), transaction)
        query.limit = GroupLimits.items
        return .batch(work, query)
    }

    /// Sets its clock: behind now, never at once.
    private func start(_ id: ScheduleID, _ definition: ScheduleDefinition) async throws {
        guard !definition.isPaused else {
            return try await ScheduleStore(transaction).set(id, slot: nil, due: nil)
        }
        let now = try await WorkflowFactsReader(transaction).now()
        let slot = definition.cadence.slot(after: now)
        try await ScheduleStore(transaction).set(
            id, slot: slot, due: definition.cadence.due(slot, seed: id.seed))
    }

    private func record(_ event: RegistryEvent) async throws {
        var writer = try await RegistryWriter(transaction, author: author)
        try await writer.record(event)
        try await writer.finish()
    }

    private static func check(_ definition: ScheduleDefinition) throws {
        if let objection = definition.cadence.objection {
            throw Problem.invalidParameter("cadence", objection)
        }
        _ = try BatchOrder(definition.work)
        if let filter = definition.filter { try ProjectQuery.check(filter) }
    }
}

extension BatchOrder {
    /// What a request asks for, with the defaults.
    ///
    /// - Throws: `Problem` 400.
    init(_ request: BatchWorkRequest) throws {
        guard (1...GroupLimits.parallel).contains(request.maxParallel ?? 1) else {
            throw Problem.invalidParameter("maxParallel", "must be from 1 to 64")
        }
        guard (1...GroupLimits.tries).contains(request.tries ?? 1) else {
            throw Problem.invalidParameter("tries", "must be from 1 to 100")
        }
        if let objection = request.policy?.objection {
            throw Problem.invalidParameter("policy", objection)
        }
        guard (request.verb == .forget) == (request.policy != nil) else {
            throw Problem.invalidParameter("policy", "goes with forget, which needs it")
        }
        self.init(
            verb: request.verb, check: request.reading.map { CheckRequest(reading: $0) },
            policy: request.policy, maxParallel: request.maxParallel ?? 4,
            tries: request.tries ?? 3)
    }
}

extension ProjectQuery {
    /// The projects that a filter finds.
    ///
    /// - Throws: `Problem`.
    init(_ filter: ProjectFilter, _ transaction: PostgresTransaction) async throws {
        try Self.check(filter)
        self.init()
        if let host = filter.host {
            self.host = try await RegistryReader(transaction).resolveHost(host)
        }
        owner = filter.owner
        prefix = filter.prefix
        search = filter.search
        provisioned = filter.provisioned.flatMap { Provisioned(rawValue: $0) }
        isRunning = filter.isRunning == true
        freshness = filter.freshness
        isWithoutBackup = filter.isWithoutBackup == true
    }

    /// - Throws: `Problem` 400.
    static func check(_ filter: ProjectFilter) throws {
        for (name, piece) in [("prefix", filter.prefix), ("search", filter.search)] {
            if let piece { try check(piece: piece, of: name) }
        }
        if let provisioned = filter.provisioned, Provisioned(rawValue: provisioned) == nil {
            throw Problem.invalidParameter("provisioned", "must be true, false or unknown")
        }
    }
}
