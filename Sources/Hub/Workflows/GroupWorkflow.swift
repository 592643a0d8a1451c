import Shared

/// An operation with many projects: a pure value that is shown how its items stand and says what to
/// do next.
///
/// Its items are rows; each has an operation of its own, which is whole in itself. It never waits in
/// memory, and being asked twice is harmless.
protocol GroupSteps: WorkflowState {
    var isCanceling: Bool { get set }
    /// Decides what follows from how things stand. An answer without `.wait` and without an end is
    /// performed, and it is asked again.
    mutating func decide(_ facts: GroupFacts) -> [GroupAction]
    /// What becomes of an item whose operation was refused.
    func refused(_ item: GroupCandidate, _ problem: Problem) -> GroupVerdict
}

extension GroupSteps {
    var isCommitted: Bool { false }
    var awaited: Set<String> { [] }
}

/// All that a group's decision goes by, read in the transaction that performs it.
struct GroupFacts: Sendable {
    /// The database's time.
    var now: Timestamp
    var isCancelRequested = false
    var counts = ItemCounts()
    /// The items whose operations have not been heard to have ended.
    var atWork: [GroupItem] = []
    /// The first items whose time has come, as many as may be at work at once.
    var due: [GroupCandidate] = []
    /// When the next blocked item may be tried.
    var nextDue: Timestamp?
    /// One of the blocked items, with why it is.
    var blocked: (name: String, sentence: String)?
    var drain: DrainFacts?
}

/// An item with its operation.
struct GroupItem: Sendable, Hashable {
    var project: ProjectID
    var name: String
    var operation: OperationID
    /// Whether the operation was begun by this group, rather than found at work.
    var isOwn = true
    /// How it ended; nil while it lives.
    var outcome: ChildOutcome?
    /// Its phase, where it is at work as a workflow.
    var phase: String?
    var isCancelRequested = false
    var tries: Int
    var target: HostID?
    /// What its last backup holds.
    var bytes: Int64 = 0
}

/// An item that an operation may be begun for.
struct GroupCandidate: Sendable, Hashable {
    var project: ProjectID
    var name: String
    var tries: Int
    /// Nil for unknown.
    var isProvisioned: Bool?
    var freshness: Freshness
    var hasBackup: Bool
    var bytes: Int64 = 0
}

/// What a group wants done.
enum GroupAction: Sendable {
    /// Begins an operation for an item, and notes where it goes.
    case begin(GroupCandidate, GroupWork)
    /// Notes how an item stands.
    case settle(ProjectID, GroupVerdict)
    /// Asks an item's operation to stop; after the commit.
    case cancel(OperationID)
    /// Looks which volumes the drained host has.
    case look(String, HostID)
    /// Parks it, if nothing else is to be done.
    case wait(String, afterMilliseconds: Int64)
    case succeed(GroupResult)
    case fail(Failure)
    case cancelGroup
}

/// What is done with one item.
enum GroupWork: Sendable, Hashable {
    case move(to: HostID, acceptsLoss: Bool)
    case start
    case stop
    case backup
    case audit
    case check(CheckRequest)
    case forget(ForgetOrder)
    case prune

    /// The order for one project.
    func order(_ item: GroupCandidate) -> OperationOrder {
        switch self {
        case .move(let target, let acceptsLoss):
            .move(
                item.project,
                MoveOrder(target: target, acceptLoss: acceptsLoss ? item.name : nil))
        case .start: .start(item.project)
        case .stop: .stop(item.project)
        case .backup: .backup(item.project, BackupOrder())
        case .audit: .backup(item.project, BackupOrder(isAudit: true))
        case .check(let request): .check(item.project, request)
        case .forget(let order): .forget(item.project, order)
        case .prune: .prune(item.project)
        }
    }

    var target: HostID? {
        if case .move(let target, _) = self { target } else { nil }
    }
}

/// How an item stands.
struct GroupVerdict: Sendable, Hashable {
    var state: ItemState
    var reason: String?
    var sentence: String?
    /// When it is due again.
    var afterMilliseconds: Int64 = 0

    static let done = GroupVerdict(state: .done)

    static func blocked(
        _ reason: String, _ sentence: String, afterMilliseconds: Int64
    ) -> GroupVerdict {
        GroupVerdict(
            state: .blocked, reason: reason, sentence: sentence,
            afterMilliseconds: afterMilliseconds)
    }

    static func failed(_ reason: String, _ sentence: String) -> GroupVerdict {
        GroupVerdict(state: .failed, reason: reason, sentence: sentence)
    }

    static func skipped(_ reason: String, _ sentence: String) -> GroupVerdict {
        GroupVerdict(state: .skipped, reason: reason, sentence: sentence)
    }

    /// What follows from an operation that failed: another try after a pause that doubles, until it
    /// has been tried often enough.
    static func failed(_ failure: Failure, tries: Int, of limit: Int) -> GroupVerdict {
        guard tries < limit else { return .failed(failure.code, failure.message) }
        let pause = min(10_000 << min(max(tries - 1, 0), 5), 300_000)
        return .blocked(
            failure.code, "try \(tries) of \(limit) failed: \(failure.message)",
            afterMilliseconds: Int64(pause))
    }
}

extension GroupFacts {
    /// How many more items may be at work.
    func free(of limit: Int) -> Int { max(0, limit - Int(counts.running)) }

    /// How it stands, in a sentence.
    var sentence: String {
        var parts = ["\(counts.ended) of \(counts.total) done", "\(counts.running) at work"]
        if counts.blocked > 0 { parts.append("\(counts.blocked) blocked") }
        if counts.failed > 0 { parts.append("\(counts.failed) given up") }
        let why = blocked.map { "; \($0.name): \($0.sentence)" } ?? ""
        return parts.joined(separator: ", ") + why
    }

    /// How long nothing but a wake-up can change anything.
    var pause: Int64 {
        // What was found at work does not wake this operation when it ends.
        var pause: Int64 = atWork.contains { !$0.isOwn } ? 2000 : 30_000
        if let nextDue { pause = min(pause, nextDue.milliseconds - now.milliseconds) }
        return max(pause, 100)
    }

    /// Asks what is at work to stop; what others began goes on.
    func stop() -> [GroupAction] {
        var actions: [GroupAction] = []
        for item in atWork where !item.isOwn {
            actions.append(
                .settle(
                    item.project,
                    .blocked("canceled", "the whole was canceled", afterMilliseconds: 0)))
        }
        if !actions.isEmpty { return actions }
        guard !atWork.isEmpty else { return [.cancelGroup] }
        return atWork.filter { !$0.isCancelRequested }.map { .cancel($0.operation) } + [
            .wait("waits until \(atWork.count) operations have stopped", afterMilliseconds: 1000)
        ]
    }
}
