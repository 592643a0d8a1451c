import Platform
import Postgres
import Shared

/// Remembers, for each priority of a lane, where the last claim ended, so that the next one does
/// not scan the dead rows before it; forgets it after a second and after an empty answer, because
/// rows before it can come free again.
final class ClaimFloors: Sendable {
    private struct Floor {
        var sequence: Int64
        var resetAt: ContinuousClock.Instant
    }

    private let floors = Locked<[OperationPolicy.Priority: Floor]>([:])

    init() {}

    /// Claims the most urgent operations of a lane.
    func claim(
        lane: String, limit: Int, session: SessionID, owner: String,
        in transaction: PostgresTransaction
    ) async throws -> [ClaimedOperation] {
        var claimed: [ClaimedOperation] = []
        for priority in OperationPolicy.Priority.allCases where claimed.count < limit {
            let floor = sequence(priority)
            var found = try await OperationClaim(transaction).claim(
                lane: lane, priority: priority, floor: floor, limit: limit - claimed.count,
                session: session, owner: owner)
            if found.isEmpty, floor > 0 {
                forget(priority)
                found = try await OperationClaim(transaction).claim(
                    lane: lane, priority: priority, floor: 0, limit: limit - claimed.count,
                    session: session, owner: owner)
            }
            if let first = found.first { remember(priority, first.sequence) }
            claimed += found
        }
        return claimed
    }

    private func sequence(_ priority: OperationPolicy.Priority) -> Int64 {
        floors.withLock { floors in
            guard let floor = floors[priority], floor.resetAt > .now else { return 0 }
            return floor.sequence
        }
    }

    private func forget(_ priority: OperationPolicy.Priority) {
        floors.withLock { $0[priority] = nil }
    }

    private func remember(_ priority: OperationPolicy.Priority, _ sequence: Int64) {
        floors.withLock { floors in
            let resetAt = floors[priority]?.resetAt ?? .now
            floors[priority] = Floor(
                sequence: sequence, resetAt: resetAt > .now ? resetAt : .now + .seconds(1))
        }
    }
}
