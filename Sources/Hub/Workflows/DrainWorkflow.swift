import Shared

/// Moves every project away from a host, so many at once.
///
/// It has ended well only when neither the registry nor the host itself knows of anything left
/// there, and says of each project that stays why it does and when it is tried again.
struct DrainWorkflow: GroupSteps {
    enum Phase: String, Codable {
        case move
        /// Nothing is placed there any more: the host says what it has.
        case look
    }

    var phase = Phase.move
    var isCanceling = false
    private let order: DrainOrder
    /// How often the host was asked, and whether its last answer is still to come.
    private var looks = 0
    private var isLooking = false

    init(_ order: DrainOrder) {
        self.order = order
    }

    var phaseName: String { phase.rawValue }

    mutating func decide(_ facts: GroupFacts) -> [GroupAction] {
        guard let drain = facts.drain else {
            return [
                .fail(Failure(code: "host-not-found", message: "the host was removed meanwhile"))
            ]
        }
        isCanceling = isCanceling || facts.isCancelRequested
        let ended = facts.atWork.compactMap { settle($0, drain) }
        if !ended.isEmpty { return ended }
        if isCanceling { return facts.stop() }
        if let deadline = order.deadline, facts.now >= deadline { return overdue(facts) }
        let free = facts.free(of: order.maxParallel)
        let begun = begin(Array(facts.due.prefix(free)), facts, drain)
        if !begun.isEmpty { return begun }
        guard facts.counts.total == facts.counts.ended else {
            phase = .move
            return [.wait(facts.sentence, afterMilliseconds: pause(facts))]
        }
        return finish(facts, drain)
    }

    // MARK: The projects

    private func settle(_ item: GroupItem, _ drain: DrainFacts) -> GroupAction? {
        guard let outcome = item.outcome else {
            // The project is at home elsewhere; what is left is to be done on the host itself.
            let isAway = item.phase == "halt" || item.phase == "retire"
            return isAway && !drain.host.isOnline
                ? .settle(
                    item.project,
                    GroupVerdict(
                        state: .deferred, reason: "host-offline",
                        sentence: "its old volume is retired when \(drain.host.name) is back"))
                : nil
        }
        switch outcome {
        case .succeeded: return .settle(item.project, .done)
        case .canceled:
            return .settle(
                item.project,
                isCanceling
                    ? .blocked("canceled", "the drain was canceled", afterMilliseconds: 0)
                    : .failed("canceled", "its operation \(item.operation) was canceled"))
        case .failed(let failure):
            return .settle(item.project, .failed(failure, tries: item.tries, of: order.tries))
        case .expired:
            return .settle(item.project, .failed("expired", "its operation expired"))
        }
    }

    /// Chooses where the next projects go: each to the host with the most room, what is on its way
    /// there taken off.
    private func begin(
        _ candidates: [GroupCandidate], _ facts: GroupFacts, _ drain: DrainFacts
    ) -> [GroupAction] {
        var room = drain.targets
        for item in facts.atWork {
            guard let index = room.firstIndex(where: { $0.host == item.target }) else { continue }
            room[index].freeBytes -= item.bytes
        }
        return candidates.map { item in
            let isLost = item.isProvisioned != false && !drain.host.isOnline
            if isLost, let verdict = stays(item, drain) { return .settle(item.project, verdict) }
            let best = room.indices.max { room[$0].freeBytes < room[$1].freeBytes }
            guard let best else {
                return .settle(
                    item.project,
                    .blocked(
                        "no-target", "no host that may take it is ready", afterMilliseconds: 15_000
                    ))
            }
            guard room[best].freeBytes > item.bytes else {
                return .settle(
                    item.project,
                    .blocked(
                        "no-room",
                        "it needs \(item.bytes) bytes, and \(room[best].name) has the most room: "
                            + "\(max(0, room[best].freeBytes)) bytes", afterMilliseconds: 15_000))
            }
            room[best].freeBytes -= item.bytes
            return .begin(item, .move(to: room[best].host, acceptsLoss: isLost))
        }
    }

    /// Why a project stays whose host cannot be reached; nil when it may go on from its last backup.
    private func stays(_ item: GroupCandidate, _ drain: DrainFacts) -> GroupVerdict? {
        guard order.fromBackup || order.acceptsLoss else {
            return .blocked(
                "host-offline", "host \(drain.host.name) is offline", afterMilliseconds: 15_000)
        }
        guard item.hasBackup else {
            return .failed(
                "no-backup", "it has no backup, and its only copy is on \(drain.host.name)")
        }
        if order.acceptsLoss || item.freshness == .fresh { return nil }
        return .failed("would-lose", "what changed since its last backup would be lost")
    }

    func refused(_ item: GroupCandidate, _ problem: Problem) -> GroupVerdict {
        switch problem.code {
        case "project-not-found", "same-host": .skipped(problem.code, problem.detail)
        case "project-busy": .blocked(problem.code, problem.detail, afterMilliseconds: 5000)
        default: .blocked(problem.code, problem.detail, afterMilliseconds: 15_000)
        }
    }

    // MARK: The end

    private func pause(_ facts: GroupFacts) -> Int64 {
        guard let deadline = order.deadline else { return facts.pause }
        return max(100, min(facts.pause, deadline.milliseconds - facts.now.milliseconds))
    }

    private func overdue(_ facts: GroupFacts) -> [GroupAction] {
        guard facts.atWork.isEmpty else {
            return [.wait("past its deadline; " + facts.sentence, afterMilliseconds: facts.pause)]
        }
        let counts = facts.counts
        return [
            .fail(
                Failure(
                    code: "deadline-passed",
                    message: "the deadline has passed: \(counts.done + counts.deferred) of "
                        + "\(counts.total) projects were moved",
                    hint: "drain the host again for the others; what was moved stays moved"))
        ]
    }

    private mutating func finish(_ facts: GroupFacts, _ drain: DrainFacts) -> [GroupAction] {
        let counts = facts.counts
        if counts.failed > 0 {
            return [
                .fail(
                    Failure(
                        code: "drain-incomplete",
                        message: "\(counts.failed) of \(counts.total) projects are still on "
                            + "\(drain.host.name)\(facts.blocked.map { ", such as \($0.name): \($0.sentence)" } ?? "")",
                        hint: "see berth operation items, with --state failed"))
            ]
        }
        guard drain.incoming == 0 else {
            return [
                .wait(
                    "waits for \(drain.incoming) moves to the host that began before",
                    afterMilliseconds: 2000)
            ]
        }
        // It cannot be asked: what it has is retired when it is back, project by project.
        if !drain.host.isOnline, !isLooking {
            return [.succeed(GroupResult(counts: counts))]
        }
        return look(counts, drain)
    }

    private mutating func look(_ counts: ItemCounts, _ drain: DrainFacts) -> [GroupAction] {
        phase = .look
        guard isLooking else {
            looks += 1
            isLooking = true
            return [
                .look("look/\(looks)", drain.host.id),
                .wait("waits for the host to say what it has", afterMilliseconds: 30_000),
            ]
        }
        guard let outcome = drain.contents["look/\(looks)"] ?? nil else {
            if drain.host.isOnline {
                return [.wait("waits for the host to say what it has", afterMilliseconds: 30_000)]
            }
            return [.succeed(GroupResult(counts: counts))]
        }
        isLooking = false
        guard let found = outcome.result(HostContents.self) else {
            let why = outcome.failure?.message ?? "without a result"
            return [.wait("the host cannot say what it has: \(why)", afterMilliseconds: 15_000)]
        }
        let left = found.volumes.map(\.description) + found.others
        if left.isEmpty || order.leavesUnknown {
            return [.succeed(GroupResult(counts: counts, left: Array(left.prefix(100))))]
        }
        return [
            .wait(
                "\(left.count) volumes are left that no placement explains: "
                    + left.prefix(3).joined(separator: ", "), afterMilliseconds: 15_000)
        ]
    }
}

/// Input of `drain`.
struct DrainOrder: Sendable, Codable, Hashable {
    /// Where the projects go; the hosts of the same region where empty.
    var targets: [HostID] = []
    /// How many are moved at once.
    var maxParallel = 4
    /// How often each is tried.
    var tries = 5
    /// Whether a project may be restored from its backup when the host cannot be reached: where that
    /// backup held everything, and in any case.
    var fromBackup = false
    var acceptsLoss = false
    /// After this no further move is begun.
    var deadline: Timestamp?
    var leavesUnknown = false
}

/// What a drain has to know beside its items.
struct DrainFacts: Sendable {
    var host: HostFacts
    /// Hosts that may take projects, with their free bytes.
    var targets: [DrainPlan.Target]
    /// Moves to the host that have not ended.
    var incoming: Int
    /// What the host said, by the question's name; nil while it has not.
    var contents: [String: ChildOutcome?]
}
