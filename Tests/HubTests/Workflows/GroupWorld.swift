import Shared
import Testing

@testable import Hub

/// A small model of the items of a group and of a host that is emptied: performs what is decided,
/// ends one operation a second, and disturbs one of them.
struct GroupWorld {
    /// How an operation fails that is made to.
    var failureCode = "injected"
    enum End: Equatable {
        case succeeded
        case failed(String)
        case canceled
    }

    struct Item {
        var state = ItemState.pending
        var tries = 0
        var due: Int64 = 0
        var operation: OperationID?
        var outcome: ChildOutcome?
        var isCanceled = false
        var target: HostID?
    }

    var now: Int64 = 1_000_000
    var isOnline = true
    var candidates: [GroupCandidate]
    var items: [Item]
    var targets: [(name: String, free: Int64)] = [("x", 1 << 40), ("y", 1 << 40)]
    var refusals: [Int: String] = [:]
    var reasons: [Int: GroupVerdict] = [:]
    var sentences: [String] = []
    var errors: [String] = []
    var end: End?
    var looks = 0
    /// So often the host says that it has a volume that nobody knows.
    var unknownLooks = 0
    private let parallel: Int
    private var isCancelRequested = false
    private var answers: [String: ChildOutcome] = [:]
    private var begun = 0

    init(projects: Int, parallel: Int) {
        self.parallel = parallel
        candidates = (0..<projects).map { index in
            GroupCandidate(
                project: WorkflowWorld.identifier(UInt64(100 + index)), name: "p\(index)",
                tries: 0, isProvisioned: true, freshness: .fresh, hasBackup: true)
        }
        items = Array(repeating: Item(), count: projects)
    }

    /// The projects that are still on the host.
    var placed: [Int] { items.indices.filter { ![.done, .deferred].contains(items[$0].state) } }
    var atWork: Int { items.filter { $0.state == .running }.count }

    private func host(_ name: String) -> HostID {
        WorkflowWorld.identifier(name == "x" ? 7 : 8)
    }

    private func facts() -> GroupFacts {
        var facts = GroupFacts(now: Timestamp(milliseconds: now))
        facts.isCancelRequested = isCancelRequested
        for (index, item) in items.enumerated() {
            switch item.state {
            case .pending: facts.counts.pending += 1
            case .blocked: facts.counts.blocked += 1
            case .running: facts.counts.running += 1
            case .done: facts.counts.done += 1
            case .deferred: facts.counts.deferred += 1
            case .failed: facts.counts.failed += 1
            case .skipped: facts.counts.skipped += 1
            }
            if item.state == .running, let operation = item.operation {
                facts.atWork.append(
                    GroupItem(
                        project: candidates[index].project, name: candidates[index].name,
                        operation: operation, outcome: item.outcome,
                        isCancelRequested: item.isCanceled, tries: item.tries,
                        target: item.target, bytes: candidates[index].bytes))
            }
            guard item.state == .pending || item.state == .blocked else { continue }
            if item.due <= now {
                var candidate = candidates[index]
                candidate.tries = item.tries
                facts.due.append(candidate)
            } else {
                facts.nextDue = min(
                    facts.nextDue ?? Timestamp(milliseconds: item.due),
                    Timestamp(milliseconds: item.due))
            }
        }
        facts.drain = DrainFacts(
            host: HostFacts(id: WorkflowWorld.identifier(1), name: "source", isOnline: isOnline),
            targets: targets.map {
                DrainPlan.Target(host: host($0.name), name: $0.name, freeBytes: $0.free)
            }, incoming: 0, contents: answers.mapValues { $0 })
        return facts
    }

    /// Where the first turn sends each project; nil where it stays.
    mutating func choose(_ drain: inout DrainWorkflow) -> [String?] {
        drain.decide(facts()).map { action in
            guard case .begin(_, .move(let target, _)) = action else { return nil }
            return target == host("x") ? "x" : "y"
        }
    }

    /// Runs the group to its end.
    mutating func drive<Steps: GroupSteps>(
        _ steps: inout Steps, _ disturbance: GroupTableTests.Disturbance, item: Int
    ) throws {
        var returns = disturbance == .comesBack ? 1 : 0
        for turn in 0..<2000 where end == nil {
            if disturbance == .storesEachStep {
                steps = try JSON.decode(Steps.self, from: try JSON.encode(steps))
            }
            if disturbance == .wholeCanceled, begun > item { isCancelRequested = true }
            if disturbance == .sourceGoesAway {
                isOnline = turn < item || turn > 100
            }
            if perform(&steps, disturbance, item) { continue }
            now += 1000
            if returns > 0, items[item].state == .done {
                // Somebody moved it back, or it was there under another name.
                returns -= 1
                items[item] = Item()
            }
            work(disturbance, item)
        }
    }

    /// - Returns: whether it is to be asked again at once.
    private mutating func perform<Steps: GroupSteps>(
        _ steps: inout Steps, _ disturbance: GroupTableTests.Disturbance, _ item: Int
    ) -> Bool {
        var isAgain = true
        for action in steps.decide(facts()) where end == nil {
            switch action {
            case .begin(let candidate, let work):
                begin(candidate, work, steps, disturbance, item)
            case .settle(let project, let verdict): settle(project, verdict)
            case .cancel(let operation):
                for index in items.indices where items[index].operation == operation {
                    items[index].isCanceled = true
                }
            case .look(let key, _):
                looks += 1
                let left = looks <= unknownLooks ? [candidates[0].project] : []
                answers[key] =
                    (try? JSON.value(HostContents(volumes: left, others: []))).map {
                        .succeeded($0)
                    } ?? .expired
            case .wait(let sentence, _):
                sentences.append(sentence)
                isAgain = false
            case .succeed:
                if placed.contains(where: { items[$0].state != .skipped }) {
                    errors.append("it succeeded although something is left")
                }
                end = .succeeded
            case .fail(let failure): end = .failed(failure.code)
            case .cancelGroup: end = .canceled
            }
        }
        if atWork > parallel { errors.append("\(atWork) at work") }
        return isAgain
    }

    private mutating func begin(
        _ candidate: GroupCandidate, _ work: GroupWork, _ steps: some GroupSteps,
        _ disturbance: GroupTableTests.Disturbance, _ item: Int
    ) {
        guard let index = candidates.firstIndex(where: { $0.project == candidate.project }) else {
            return
        }
        if items[index].state == .running { errors.append("begun twice") }
        if case .move(_, let acceptsLoss) = work, acceptsLoss, isOnline {
            errors.append("a loss was accepted without need")
        }
        var refusal = refusals[index]
        if disturbance == .isRefusedOnce, index == item, items[index].due == 0 {
            refusal = "project-busy"
        }
        if let refusal {
            settle(
                candidate.project,
                steps.refused(
                    candidate,
                    Problem(status: 409, code: refusal, title: "no", detail: "not now")))
            return
        }
        begun += 1
        items[index].state = .running
        items[index].tries += 1
        items[index].operation = WorkflowWorld.identifier(UInt64(1000 + begun))
        items[index].outcome = nil
        items[index].target = work.target
    }

    private mutating func settle(_ project: ProjectID, _ verdict: GroupVerdict) {
        guard let index = candidates.firstIndex(where: { $0.project == project }) else { return }
        items[index].state = verdict.state
        items[index].due = now + verdict.afterMilliseconds
        reasons[index] = verdict
    }

    /// One operation ends.
    private mutating func work(_ disturbance: GroupTableTests.Disturbance, _ item: Int) {
        guard
            let index = items.indices.first(where: {
                items[$0].state == .running && items[$0].outcome == nil
            })
        else { return }
        let failure = ChildOutcome.failed(Failure(code: failureCode, message: "no"))
        if items[index].isCanceled {
            items[index].outcome = .canceled
        } else if index == item,
            disturbance == .failsAlways
                || disturbance == .failsOnce && items[index].tries == 1
        {
            items[index].outcome = failure
        } else if index == item, disturbance == .isCanceled {
            items[index].outcome = .canceled
        } else if !isOnline, disturbance == .sourceGoesAway {
            return
        } else {
            items[index].outcome = .succeeded(.object([:]))
        }
    }
}
