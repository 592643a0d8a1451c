import Platform
import Shared

/// What is still to be kept of bases: made one after another beside other work; what somebody waits
/// for comes first.
///
/// A backup or a restore is recorded before this is made of it; where it never is, because the agent
/// was stopped, the next backup reads the whole volume.
final class BaseBuilds: Service {
    /// So many wait; who adds one more waits itself, because what they are made of takes up room.
    static let limit = 4

    private struct Build: Sendable {
        let project: ProjectID
        /// Rung by whoever does not want it any more.
        let drop = Bell()
        let make: @Sendable @concurrent () async -> Void
    }

    private struct State {
        var waiting: [Build] = []
        var running: Build?
        var waiters: [Int: (project: ProjectID, continuation: CheckedContinuation<Void, Never>)] =
            [:]
        var lastWaiter = 0

        func isPending(_ project: ProjectID) -> Bool {
            running?.project == project || waiting.contains { $0.project == project }
        }

        mutating func takeWaiters(of project: ProjectID) -> [CheckedContinuation<Void, Never>] {
            let found = waiters.filter { $0.value.project == project }
            for number in found.keys { waiters[number] = nil }
            return found.values.map(\.continuation)
        }
    }

    private let state = Locked(State())
    private let bell = Bell()

    /// Has a project's be made, instead of what was to be made of it before.
    func add(_ project: ProjectID, _ make: @escaping @Sendable @concurrent () async -> Void) async {
        await drop(project)
        while let first = state.withLock({ state in
            state.waiting.count < Self.limit ? nil : state.waiting.first?.project
        }), await settle(first) {}
        state.withLock { $0.waiting.append(Build(project: project, make: make)) }
        bell.ring()
    }

    /// Waits until nothing of the project is left to be made.
    ///
    /// - Returns: false where the caller was canceled before.
    func settle(_ project: ProjectID) async -> Bool {
        state.withLock { state in
            guard let place = state.waiting.firstIndex(where: { $0.project == project }) else {
                return
            }
            state.waiting.insert(state.waiting.remove(at: place), at: 0)
        }
        return await wait(for: project, isCancellable: true)
    }

    /// Forgets what has not begun, and ends what has.
    func drop(_ project: ProjectID) async {
        let waiters = state.withLock { state -> [CheckedContinuation<Void, Never>] in
            state.waiting.removeAll { $0.project == project }
            if let running = state.running, running.project == project {
                running.drop.ring()
                return []
            }
            return state.takeWaiters(of: project)
        }
        waiters.forEach { $0.resume() }
        _ = await wait(for: project, isCancellable: false)
    }

    /// Makes what is added.
    func run() async throws {
        while true {
            while let build = begin() {
                await withTaskGroup(of: Void.self) { group in
                    // A child of its own, so that it can be ended without the service.
                    group.addTask { await build.make() }
                    // It ends with a ring, or fails by the cancellation when the build is over.
                    group.addTask { _ = try? await build.drop.wait(upTo: .seconds(86_400)) }
                    await group.next()
                    group.cancelAll()
                }
                end(build)
                try Task.checkCancellation()
            }
            _ = try await bell.wait(upTo: .seconds(3_600))
        }
    }

    private func begin() -> Build? {
        state.withLock { state in
            state.running = state.waiting.isEmpty ? nil : state.waiting.removeFirst()
            return state.running
        }
    }

    private func end(_ build: Build) {
        let waiters = state.withLock { state in
            state.running = nil
            return state.takeWaiters(of: build.project)
        }
        waiters.forEach { $0.resume() }
    }

    private func wait(for project: ProjectID, isCancellable: Bool) async -> Bool {
        let number = state.withLock { state in
            state.lastWaiter += 1
            return state.lastWaiter
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isDone = state.withLock { state in
                    guard state.isPending(project), !(isCancellable && Task.isCancelled) else {
                        return true
                    }
                    state.waiters[number] = (project, continuation)
                    return false
                }
                if isDone { continuation.resume() }
            }
        } onCancel: {
            guard isCancellable else { return }
            state.withLock { $0.waiters.removeValue(forKey: number) }?.continuation.resume()
        }
        return !Task.isCancelled
    }
}
