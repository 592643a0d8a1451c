import Shared

/// Numbers for the product's values, so that a state of the world is small, and what the product's
/// workflows have decided before, so that equal questions are asked once.
final class Catalogue {
    private var workflows: [SimulatedWorkflow] = []
    private var workflowNumbers: [SimulatedWorkflow: Int] = [:]
    private var outcomes: [ChildOutcome] = []
    private var outcomeNumbers: [ChildOutcome: Int] = [:]
    private var works: [HostWork] = []
    private var workNumbers: [HostWork: Int] = [:]
    private var keys: [String] = []
    private var keyNumbers: [String: Int] = [:]
    /// What workflows have decided.
    var decisions: [WorkflowQuestion: WorkflowDecision] = [:]

    func number(_ workflow: SimulatedWorkflow) -> Int {
        if let known = workflowNumbers[workflow] { return known }
        workflows.append(workflow)
        workflowNumbers[workflow] = workflows.count - 1
        return workflows.count - 1
    }

    func number(_ outcome: ChildOutcome) -> Int {
        if let known = outcomeNumbers[outcome] { return known }
        outcomes.append(outcome)
        outcomeNumbers[outcome] = outcomes.count - 1
        return outcomes.count - 1
    }

    func number(_ work: HostWork) -> Int {
        if let known = workNumbers[work] { return known }
        works.append(work)
        workNumbers[work] = works.count - 1
        return works.count - 1
    }

    func number(_ key: String) -> Int {
        if let known = keyNumbers[key] { return known }
        keys.append(key)
        keyNumbers[key] = keys.count - 1
        return keys.count - 1
    }

    func workflow(_ number: Int) -> SimulatedWorkflow { workflows[number] }
    func outcome(_ number: Int) -> ChildOutcome { outcomes[number] }
    func work(_ number: Int) -> HostWork { works[number] }
    func key(_ number: Int) -> String { keys[number] }

    /// A failure without anything else.
    func failure(_ code: String, _ class: Failure.Class = .terminal) -> Int {
        number(.failed(Failure(code: code, message: code, class: `class`)))
    }

    /// A result's document as an outcome.
    func succeeded(_ document: some Encodable) -> Int {
        // A document of the product's own types can be encoded.
        guard let value = try? JSON.value(document) else { return failure("no-document") }
        return number(.succeeded(value))
    }

    var done: Int { number(.succeeded(.object([:]))) }
}

/// The numbers of things as the product's identifiers, and back.
enum Names {
    static func id<Kind>(_ number: Int) -> Identifier<Kind> {
        Identifier(milliseconds: Int64(number), random: (0, UInt64(number)))
    }

    static func time(_ number: Int) -> Timestamp { Timestamp(milliseconds: Int64(number)) }

    /// The number of an identifier that `id` made: its first 48 bits.
    static func number<Kind>(_ identifier: Identifier<Kind>) -> Int {
        Int(identifier.uuid.filter { $0 != "-" }.prefix(12), radix: 16) ?? -1
    }

    static func text(_ number: Int) -> String { "\(number)" }

    static func volume(_ project: Int, generation: Int) -> VolumeReference {
        VolumeReference(
            project: id(project), generation: Int64(generation), uid: UInt32(1000 + project),
            gid: UInt32(1000 + project))
    }

    static func backup(_ number: Int, _ project: Int, _ content: Content) -> BackupReference {
        BackupReference(
            id: id(number), project: id(project), snapshot: "s\(number)",
            rootTree: content.rootTree, takenAt: time(number))
    }
}

/// The product's workflow of an operation.
enum SimulatedWorkflow: Hashable, Sendable {
    case start(StartWorkflow)
    case stop(StopWorkflow)
    case backup(BackupWorkflow)
    case move(MoveWorkflow)
    case copy(CopyWorkflow)

    private var steps: any WorkflowSteps {
        switch self {
        case .start(let steps): steps
        case .stop(let steps): steps
        case .backup(let steps): steps
        case .move(let steps): steps
        case .copy(let steps): steps
        }
    }

    var isCommitted: Bool { steps.isCommitted }
    var isCanceling: Bool { steps.isCanceling }
    var awaited: Set<String> { steps.awaited }
    var phase: String { steps.phaseName }

    mutating func handle(_ event: WorkflowEvent, _ facts: WorkflowFacts) -> [WorkflowAction] {
        switch self {
        case .start(var steps):
            defer { self = .start(steps) }
            return steps.handle(event, facts)
        case .stop(var steps):
            defer { self = .stop(steps) }
            return steps.handle(event, facts)
        case .backup(var steps):
            defer { self = .backup(steps) }
            return steps.handle(event, facts)
        case .move(var steps):
            defer { self = .move(steps) }
            return steps.handle(event, facts)
        case .copy(var steps):
            defer { self = .copy(steps) }
            return steps.handle(event, facts)
        }
    }
}
