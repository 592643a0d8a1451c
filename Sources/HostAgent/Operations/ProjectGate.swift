import Platform
import Shared

/// Lets one operation at a time change the volume of a project; later ones wait in order.
final class ProjectGate: Sendable {
    private struct Turn {
        let number: Int
        let continuation: CheckedContinuation<Bool, Never>
    }

    private struct State {
        var held: Set<ProjectID> = []
        var waiting: [ProjectID: [Turn]] = [:]
        var nextTurn = 0
        /// Turns that are about to wait, and those of them that were cancelled before they did.
        var arriving: Set<Int> = []
        var abandoned: Set<Int> = []
    }

    private let state = Locked(State())

    /// Runs `body` alone among those of the project.
    ///
    /// - Throws: what `body` throws; `CancellationError` when cancelled while waiting.
    func alone<Answer: Sendable>(
        _ project: ProjectID, _ body: () async throws -> Answer
    ) async throws -> Answer {
        guard await enter(project) else { throw CancellationError() }
        defer { leave(project) }
        try Task.checkCancellation()
        return try await body()
    }

    /// Runs `body` alone among those of the project, unless one of them is at work.
    func unlessHeld(_ project: ProjectID, _ body: () async throws -> Void) async throws {
        guard state.withLock({ $0.held.insert(project).inserted }) else { return }
        defer { leave(project) }
        try await body()
    }

    private func enter(_ project: ProjectID) async -> Bool {
        let number = state.withLock { state -> Int? in
            guard !state.held.insert(project).inserted else { return nil }
            state.nextTurn += 1
            state.arriving.insert(state.nextTurn)
            return state.nextTurn
        }
        guard let number else { return true }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                wait(project, Turn(number: number, continuation: continuation))
            }
        } onCancel: {
            giveUp(project, number)
        }
    }

    private func wait(_ project: ProjectID, _ turn: Turn) {
        let answer = state.withLock { state -> Bool? in
            state.arriving.remove(turn.number)
            if state.abandoned.remove(turn.number) != nil { return false }
            // The holder may have left since.
            if state.held.insert(project).inserted { return true }
            state.waiting[project, default: []].append(turn)
            return nil
        }
        if let answer { turn.continuation.resume(returning: answer) }
    }

    private func giveUp(_ project: ProjectID, _ number: Int) {
        let turn = state.withLock { state -> Turn? in
            guard let index = state.waiting[project]?.firstIndex(where: { $0.number == number })
            else {
                if state.arriving.contains(number) { state.abandoned.insert(number) }
                return nil
            }
            return state.waiting[project]?.remove(at: index)
        }
        turn?.continuation.resume(returning: false)
    }

    private func leave(_ project: ProjectID) {
        let next = state.withLock { state -> Turn? in
            guard let next = state.waiting[project]?.first else {
                state.held.remove(project)
                state.waiting[project] = nil
                return nil
            }
            state.waiting[project]?.removeFirst()
            return next
        }
        next?.continuation.resume(returning: true)
    }
}
