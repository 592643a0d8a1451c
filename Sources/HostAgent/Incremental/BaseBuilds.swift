import Platform
import Shared

/// What is still to be kept of bases: made one after another beside other work, or at once by whoever
/// needs one first.
///
/// A backup or a restore is recorded before this is made of it; where it never is, because the agent
/// was stopped, the next backup reads the whole volume.
actor BaseBuilds: Service {
    private enum State {
        case waiting(@Sendable () async -> Void)
        case running
    }

    private var states: [ProjectID: State] = [:]
    private var order: [ProjectID] = []
    private var waiters: [ProjectID: [CheckedContinuation<Void, Never>]] = [:]
    private let bell = Bell()

    /// Has a project's be made, instead of one that has not begun.
    func add(_ project: ProjectID, _ build: @escaping @Sendable () async -> Void) async {
        await drop(project)
        states[project] = .waiting(build)
        order.append(project)
        bell.ring()
    }

    /// Answers when nothing of the project is left to be made.
    func settle(_ project: ProjectID) async {
        while let state = states[project] {
            switch state {
            case .running:
                await withCheckedContinuation { waiters[project, default: []].append($0) }
            case .waiting(let build):
                order.removeAll { $0 == project }
                states[project] = .running
                await build()
                states[project] = nil
                waiters.removeValue(forKey: project)?.forEach { $0.resume() }
            }
        }
    }

    /// Forgets what has not begun, and waits for what has.
    func drop(_ project: ProjectID) async {
        if case .waiting = states[project] {
            order.removeAll { $0 == project }
            states[project] = nil
        }
        await settle(project)
    }

    /// Makes what is added.
    func run() async throws {
        while true {
            while let project = order.first { await settle(project) }
            try await bell.wait(upTo: .seconds(3_600))
        }
    }
}
