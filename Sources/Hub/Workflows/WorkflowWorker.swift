import Platform
import Postgres
import Shared

/// One hub's work on its own operations, piece by piece: claims, steps and heartbeats of a session.
///
/// It decides nothing about when; `WorkflowRunner` calls it again and again.
struct WorkflowWorker: Sendable {
    private let changes: ChangeRunner
    private let settings: OperationSettings
    private let identifiers: Identifiers
    private let hasPath: WorkflowRunner.PathLookup
    private let log: Logger
    private let sessions: WorkerSession
    private let chores: WorkflowRunner.ChoreWork
    /// The chores that are being done.
    private let atWork = Locked<[OperationID: ChoreAtWork]>([:])

    /// A chore that is being done: how far it is, and when it said so.
    private struct ChoreAtWork: Sendable {
        var progress: Progress?
        var saidAt = ContinuousClock.now
        /// It was silent for too long, and is told to stop.
        var isGivenUp = false
    }

    /// So many chores are done at once: they are long, and other workflows want to go on.
    private static let choreLimit = 2

    init(
        _ changes: ChangeRunner, settings: OperationSettings, identifiers: Identifiers,
        log: Logger, hasPath: @escaping WorkflowRunner.PathLookup,
        chores: @escaping WorkflowRunner.ChoreWork = WorkflowRunner.noChores
    ) {
        self.changes = changes
        self.settings = settings
        self.identifiers = identifiers
        self.log = log
        self.hasPath = hasPath
        self.chores = chores
        sessions = WorkerSession(
            changes, settings: settings,
            rescue: OperationRescue(changes, settings: settings, log: log))
    }

    /// How often a session sends a heartbeat.
    var interval: Duration { sessions.interval }

    /// Opens a session; again is harmless.
    func open(_ session: SessionID) async throws {
        try await OperationLimits(changes).setDefault("kind:move", places: settings.moves)
        try await sessions.open(session)
    }

    /// Renews the session's lease, names what it works on, and takes back what it does not.
    ///
    /// A chore that is being done moves, also where it has nothing to say: this worker sees itself
    /// when it is silent for too long, and nobody else tries it before it has stopped here.
    /// - Throws: `Problem` `session-ended` when the session's lease ran out.
    func beat(_ session: SessionID, held: [HeldLease]) async throws {
        let known = atWork.withLock { $0 }
        let leases = held.map { lease in
            HeldLease(
                operation: lease.operation, epoch: lease.epoch,
                progress: known[lease.operation]?.progress)
        }
        try await sessions.beat(
            session, held: leases, moving: known.filter { !$1.isGivenUp }.keys.sorted())
    }

    /// Takes ready work.
    ///
    /// - Parameters:
    ///   - limit: how many at most.
    ///   - turns: what this hub knows of the lane.
    func claim(
        _ session: SessionID, limit: Int, _ turns: LaneTurns
    ) async throws -> [ClaimedOperation] {
        // Committed last: what a broken connection took away was not given out.
        try await changes.run { change in
            try await turns.claim(
                limit: limit, holder: OperationClaim.Holder(session: session),
                in: change.transaction)
        }
    }

    /// Works on one operation; whatever goes wrong is tried again later.
    func step(_ operation: ClaimedOperation) async {
        do {
            if operation.kind.isGroup { return try await stepGroup(operation) }
            let stored = try await changes.pool.withTransaction { transaction in
                try await WorkflowStore(transaction).load(operation.id)
            }
            let step = WorkflowStep(
                claimed: operation, identifiers: identifiers, copyLifetime: settings.copyLifetime,
                answer: try await answer(for: stored?.workflow),
                chore: try await doChore(of: stored?.workflow, operation))
            let isOurs = try await changes.run { try await step.run(in: &$0) }
            if !isOurs {
                log.info("a workflow's lease was lost", ["operation": "\(operation.id)"])
            }
        } catch is CancellationError {
            return
        } catch {
            log.warning(
                "a workflow's step failed",
                ["operation": "\(operation.id)", "error": LogValue(describing: error)])
            await giveBack(operation, because: error)
        }
    }

    /// Works on a group; then asks what it wants stopped to stop, which is repeated until it has.
    private func stepGroup(_ operation: ClaimedOperation) async throws {
        let step = GroupStep(claimed: operation, identifiers: identifiers)
        let outcome = try await changes.run { try await step.run(in: &$0) }
        if !outcome.isOurs {
            log.info("a group's lease was lost", ["operation": "\(operation.id)"])
        }
        for item in outcome.cancels {
            do {
                try await changes.run { change in
                    let bodies = OperationBodyReader(change.transaction)
                    guard let body = try await bodies.body(item) else { return }
                    try await OperationStore(change.transaction).lockTrees([body.root])
                    try await OperationCancellation.request(
                        body, by: "operation:\(operation.id)", in: &change)
                }
            } catch let problem as Problem {
                // Behind its point of no return: its end is waited for.
                log.debug(
                    "an item is not canceled",
                    ["operation": "\(item)", "why": "\(problem.detail)"])
            }
        }
    }

    /// Looks into the repository where the workflow asks; outside of any transaction.
    private func answer(
        for workflow: Workflow?
    ) async throws -> (question: PathQuestion, hasPath: Bool)? {
        guard let question = workflow?.pathQuestion else { return nil }
        return (question, try await hasPath(question.backup, question.path))
    }

    /// Works on the repository where the workflow asks; outside of any transaction.
    private func doChore(
        of workflow: Workflow?, _ claimed: ClaimedOperation
    ) async throws -> ChoreAnswer? {
        let operation = claimed.id
        guard let chore = workflow?.chore, workflow?.isCanceling == false else { return nil }
        let (project, isCanceled) = try await changes.pool.withTransaction { transaction in
            let bodies = OperationBodyReader(transaction)
            return (
                try await bodies.body(operation)?.project,
                try await bodies.isCanceled(operation)
            )
        }
        guard let project, !isCanceled || workflow?.isCommitted == true else { return nil }
        let isFree = atWork.withLock { atWork in
            guard atWork.count < Self.choreLimit, atWork[operation] == nil else { return false }
            atWork[operation] = ChoreAtWork()
            return true
        }
        guard isFree else {
            return ChoreAnswer(chore: chore, outcome: .later("other repositories are worked on"))
        }
        defer { atWork.withLock { $0[operation] = nil } }
        let outcome = try await whileOurs(claimed) {
            try await chores(chore, project) { [identifiers, atWork] done, total in
                let now = Progress(
                    time: identifiers.currentTime, phase: chore.phase, phaseIndex: 1,
                    phaseCount: 1, done: done, total: total, unit: chore.unit)
                atWork.withLock { atWork in
                    atWork[operation]?.progress = now
                    atWork[operation]?.saidAt = .now
                }
            }
        }
        return ChoreAnswer(chore: chore, outcome: outcome)
    }

    /// Does what has effects outside of the database, and breaks it off as soon as this one lease is
    /// seen to be gone, because the operation was abandoned or its lease taken back (D7), or when it
    /// was silent for too long.
    ///
    /// It has stopped when this returns.
    /// - Throws: `CancellationError` when its lease was gone; `DeadlineExceeded` when it was silent.
    private func whileOurs<Answer: Sendable>(
        _ claimed: ClaimedOperation, _ body: @escaping @Sendable () async throws -> Answer
    ) async throws -> Answer {
        try await withThrowingTaskGroup(of: Answer.self) { group in
            group.addTask { try await body() }
            // Whichever of the two watches fails first ends the work.
            group.addTask { throw try await silence(of: claimed.id) }
            group.addTask {
                while true {
                    try await Task.sleep(for: min(interval, .seconds(2)))
                    do {
                        if try await isOurs(claimed) { continue }
                    } catch let error where !(error is CancellationError) {
                        // The session's own heartbeat decides how long that may last.
                        log.debug("a lease was not seen", ["error": LogValue(describing: error)])
                        continue
                    }
                    log.info("a chore is broken off", ["operation": "\(claimed.id)"])
                    throw CancellationError()
                }
            }
            defer { group.cancelAll() }
            guard let first = try await group.next() else { throw CancellationError() }
            return first
        }
    }

    /// Waits until a chore has said nothing for too long.
    private func silence(of operation: OperationID) async throws -> DeadlineExceeded {
        while true {
            let saidAt = atWork.withLock { $0[operation]?.saidAt } ?? .now
            try await ContinuousClock().sleep(until: saidAt + settings.choreSilence)
            let isSilent = atWork.withLock { atWork in
                guard atWork[operation]?.saidAt == saidAt else { return false }
                atWork[operation]?.isGivenUp = true
                return true
            }
            if isSilent {
                return DeadlineExceeded(
                    "word of the work in the repository", limit: settings.choreSilence)
            }
        }
    }

    private func isOurs(_ claimed: ClaimedOperation) async throws -> Bool {
        try await changes.pool.withTransaction { transaction in
            try await OperationBodyReader(transaction).isHeld(claimed.id, epoch: claimed.epoch)
        }
    }

    /// Lets a workflow whose step failed wait for another try.
    ///
    /// Where even that fails the heartbeat does not list it any more, and its lease is taken back.
    private func giveBack(_ operation: ClaimedOperation, because error: any Error) async {
        let failure = Failure(
            code: "hub-trouble", message: "the hub could not go on: \(error)", class: .retryable)
        do {
            try await changes.run { change in
                try await OperationStore(change.transaction).lockTrees([operation.root])
                guard
                    let body = try await OperationBodyReader(change.transaction).fenced(
                        operation.id, epoch: operation.epoch, host: nil)
                else { return }
                try await OperationCompletion.giveBack(
                    body, epoch: operation.epoch, failure, in: &change)
            }
        } catch {
            log.warning(
                "a workflow could not be given back",
                ["operation": "\(operation.id)", "error": LogValue(describing: error)])
        }
    }
}
