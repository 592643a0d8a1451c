import Shared

/// All that a decision of a workflow goes by, as small as it can be.
struct WorkflowQuestion: Hashable, Sendable {
    enum Event: Hashable, Sendable {
        case began, woken, cancelRequested
        case childEnded(key: Int, outcome: Int)
    }

    struct CopyState: Hashable, Sendable {
        var number: Int
        var operation: Int
        var source: Int
        var destination: Int
        var backup: Int
        var content: Content
        var state: Copy.State
        var appliedBy: Int
    }

    struct Project: Hashable, Sendable {
        var number: Int
        var host: Int
        var isOnline: Bool
        var generation: Int
        var isProvisioned: Bool?
        var isWantedRunning: Bool
        /// -1 for none.
        var newest: Int
        var newestContent = Content()
        var freshness: Int
        var isRunning: Bool?
        var guardian: Int
        var blockers: [Int]
        var copies: [CopyState]
    }

    var workflow: Int
    var event: Event
    var operation: Int
    var project: Project
    /// -1 for none.
    var target = -1
    var isTargetOnline = false
    var destinations: [Project] = []
    var copies: [CopyState] = []
    var freshBackup: Int
    var freshCopy: Int

    func facts(_ rules: Rules) -> WorkflowFacts {
        var facts = WorkflowFacts(
            operation: Names.id(operation), now: Names.time(0), project: facts(project),
            freshBackup: Names.id(freshBackup), copyExpiry: Names.time(0))
        if target >= 0 { facts.target = Self.host(target, isTargetOnline) }
        for destination in destinations {
            facts.destinations[Names.id(destination.number)] = self.facts(destination)
        }
        facts.copies = copies.compactMap(Self.facts)
        facts.hasPath = true
        facts.freshCopies = destinations.indices.map { Names.id(freshCopy + $0) }
        return facts
    }

    private static func host(_ number: Int, _ isOnline: Bool) -> HostFacts {
        HostFacts(id: Names.id(number), name: "host\(number)", isOnline: isOnline)
    }

    private func facts(_ project: Project) -> ProjectFacts {
        var facts = ProjectFacts(
            id: Names.id(project.number), name: "project\(project.number)",
            uid: UInt32(1000 + project.number), gid: UInt32(1000 + project.number),
            runtime: RuntimeDescription(command: ["serve"]), isDeleted: false,
            isWantedRunning: project.isWantedRunning,
            host: Self.host(project.host, project.isOnline),
            generation: Int64(project.generation), isProvisioned: project.isProvisioned,
            newestBackup: project.newest < 0
                ? nil : Names.backup(project.newest, project.number, project.newestContent),
            freshness: [Freshness.fresh, .dirty, .unknown][project.freshness],
            runtimeState: project.isRunning.map { $0 ? .running : .stopped })
        facts.guardian = project.guardian < 0 ? nil : Names.id(project.guardian)
        facts.blockers = project.blockers.map {
            ProjectFacts.Blocker(operation: Names.id($0), kind: "other")
        }
        facts.pendingCopies = project.copies.compactMap(Self.facts)
        return facts
    }

    private static func facts(_ copy: CopyState) -> CopyFacts? {
        guard let path = try? ProjectPath("data") else { return nil }  // It is one.
        return CopyFacts(
            id: Names.id(copy.number), operation: Names.id(copy.operation),
            backup: Names.backup(copy.backup, copy.source, copy.content), sourcePath: path,
            destination: Names.id(copy.destination), destinationPath: path, overwrite: .always,
            state: copy.state.product,
            appliedBy: copy.appliedBy < 0 ? nil : Names.id(copy.appliedBy))
    }
}

/// What a workflow has decided, in numbers.
struct WorkflowDecision: Sendable {
    enum Action: Hashable, Sendable {
        case runChild(key: Int, host: Int, project: Int, copy: Int, work: Int)
        case cancelChildren
        case cancelChild(key: Int)
        case place(project: Int, host: Int, generation: Int, isProvisioned: Bool?)
        case provision(project: Int, isProvisioned: Bool?)
        case want(project: Int, isWantedRunning: Bool)
        case pin(backup: Int)
        case createCopy(number: Int, backup: Int, destination: Int)
        case endCopy(Int, Copy.State)
        case releaseGuard
        case wait(isTimed: Bool, isGuarded: Bool)
        case end(outcome: Int)
    }

    var workflow: Int
    var actions: [Action]
}
