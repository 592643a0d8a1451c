import Platform
import Postgres
import Shared

/// What one hub knows of the ready operations of a lane: which shares there are, where each begins,
/// and whose turn it is.
///
/// A share is an owner's work of one kind. Every claim takes a part of each, so that nobody's ten
/// thousand operations keep another's single one waiting. The floors spare a claim the dead rows
/// before; all is looked up anew after a moment, when nothing was found, and when the limits have
/// changed, because there are new shares, and rows before a floor can come free again. That moment is
/// fifty times as long as looking took, at most a second: dead rows make looking slow.
final class LaneTurns: Sendable {
    private struct Known {
        var shares: [ReadyShare] = []
        var version: Int64 = 0
        /// Where the turns go on.
        var next = 0
        var searchAfter = Int64.min
        var renewAt: ContinuousClock.Instant = .now
    }

    /// How many shares are known at once; what is behind them is searched for from there.
    private static let shareLimit = 256

    private let lane: String
    private let pause: Duration
    private let known = Locked<[OperationPolicy.Priority: Known]>([:])

    /// - Parameter pause: for how long at least what was looked up is taken for true; zero looks
    ///   every time.
    init(lane: String, pause: Duration = OperationSettings().turnPause) {
        self.lane = lane
        self.pause = pause
    }

    /// Claims the most urgent operations, in turns.
    ///
    /// - Parameter limit: how many at most.
    func claim(
        limit: Int, holder: OperationClaim.Holder, in statements: any PostgresStatements
    ) async throws -> [ClaimedOperation] {
        var claimed: [ClaimedOperation] = []
        for priority in OperationPolicy.Priority.allCases where claimed.count < limit {
            claimed += try await claim(
                priority, limit: limit - claimed.count, holder, OperationClaim(statements))
        }
        return claimed
    }

    private func claim(
        _ priority: OperationPolicy.Priority, limit: Int, _ holder: OperationClaim.Holder,
        _ store: OperationClaim
    ) async throws -> [ClaimedOperation] {
        var claimed: [ClaimedOperation] = []
        var searched = try await renew(priority, store, onlyDue: true)
        while claimed.count < limit {
            let turn = turn(priority, limit: limit - claimed.count)
            var found: [ClaimedOperation] = []
            if !turn.free.isEmpty {
                found = try await store.claim(
                    lane: lane, priority: priority, turn.free, each: turn.each,
                    version: turn.version, holder: holder)
                note(priority, turn.free, each: turn.each, found)
            }
            for share in turn.limited where claimed.count + found.count < limit {
                let more = try await store.claim(
                    lane: lane, priority: priority, limited: share,
                    limit: min(turn.each, limit - claimed.count - found.count),
                    version: turn.version, holder: holder)
                note(priority, [share], each: turn.each, more)
                found += more
            }
            claimed += found
            if found.isEmpty {
                if searched || !claimed.isEmpty { break }
                searched = try await renew(priority, store, onlyDue: false)
            }
        }
        return claimed
    }

    /// Looks the shares up, unless that was done a moment ago.
    ///
    /// - Returns: whether it did.
    private func renew(
        _ priority: OperationPolicy.Priority, _ store: OperationClaim, onlyDue: Bool
    ) async throws -> Bool {
        let (after, isDue) = known.withLock { known in
            let entry = known[priority]
            let isDue = entry.map { $0.renewAt <= .now || $0.shares.isEmpty } ?? true
            return (entry?.searchAfter ?? .min, isDue)
        }
        guard isDue || !onlyDue else { return false }
        let begin = ContinuousClock.now
        var found = try await store.shares(
            lane: lane, priority: priority, after: after, limit: Self.shareLimit)
        if found.shares.isEmpty, after > .min {
            found = try await store.shares(
                lane: lane, priority: priority, after: .min, limit: Self.shareLimit)
        }
        let pause =
            self.pause == .zero
            ? .zero : min(max((.now - begin) * 50, self.pause), .seconds(1))
        known.withLock { [found] known in
            var entry = known[priority] ?? Known()
            entry.shares = found.shares
            entry.version = found.version
            entry.searchAfter =
                found.shares.count == Self.shareLimit ? found.shares.last?.share ?? .min : .min
            entry.renewAt = .now + pause
            known[priority] = entry
        }
        return true
    }

    private struct Turn {
        var free: [ReadyShare]
        var limited: [ReadyShare]
        /// How many each may have.
        var each: Int
        var version: Int64
    }

    /// Whose turn it is: as many shares as operations are wanted, going round.
    private func turn(_ priority: OperationPolicy.Priority, limit: Int) -> Turn {
        known.withLock { known in
            guard var entry = known[priority], !entry.shares.isEmpty else {
                return Turn(free: [], limited: [], each: 0, version: 0)
            }
            let count = min(entry.shares.count, limit)
            let chosen = (0..<count).map { entry.shares[(entry.next + $0) % entry.shares.count] }
            entry.next = (entry.next + count) % entry.shares.count
            known[priority] = entry
            return Turn(
                free: chosen.filter(\.resources.isEmpty),
                limited: chosen.filter { !$0.resources.isEmpty },
                each: max(1, limit / count), version: entry.version)
        }
    }

    /// Raises the floors of those that got something, and forgets those that have no more.
    private func note(
        _ priority: OperationPolicy.Priority, _ asked: [ReadyShare], each: Int,
        _ found: [ClaimedOperation]
    ) {
        var first: [Int64: Int64] = [:]
        var counts: [Int64: Int] = [:]
        for operation in found {
            first[operation.share] = min(first[operation.share] ?? .max, operation.sequence)
            counts[operation.share, default: 0] += 1
        }
        let spent = Set(asked.map(\.share).filter { counts[$0, default: 0] < each })
        known.withLock { [first] known in
            guard var entry = known[priority] else { return }
            entry.shares.removeAll { spent.contains($0.share) }
            for index in entry.shares.indices {
                if let sequence = first[entry.shares[index].share] {
                    entry.shares[index].floor = max(entry.shares[index].floor, sequence)
                }
            }
            if entry.next >= entry.shares.count { entry.next = 0 }
            known[priority] = entry
        }
    }
}

/// What this hub knows of the lanes that it has given work out of; one for each host of the fleet.
final class FleetTurns: Sendable {
    private let lanes = Locked<[String: LaneTurns]>([:])
    private let pause: Duration

    init(pause: Duration) {
        self.pause = pause
    }

    /// The turns of a lane.
    func turns(of lane: String) -> LaneTurns {
        lanes.withLock { lanes in
            if let known = lanes[lane] { return known }
            let new = LaneTurns(lane: lane, pause: pause)
            lanes[lane] = new
            return new
        }
    }
}
