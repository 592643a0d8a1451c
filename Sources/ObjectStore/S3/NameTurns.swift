import Platform

/// Lets one task at a time work on one name, others on other names.
final class NameTurns: Sendable {
    private struct Turn {
        let slot = RequestSlots(1)
        var users = 0
    }

    private let turns = Locked<[ObjectName: Turn]>([:])

    /// Runs `body` when nobody else of this name does.
    func run<Answer: Sendable>(
        _ name: ObjectName, _ body: () async throws -> Answer
    ) async throws -> Answer {
        let slot = turns.withLock { turns -> RequestSlots in
            turns[name, default: Turn()].users += 1
            return turns[name, default: Turn()].slot
        }
        defer {
            turns.withLock { turns in
                turns[name]?.users -= 1
                if turns[name]?.users == 0 { turns[name] = nil }
            }
        }
        return try await slot.run(body)
    }
}
