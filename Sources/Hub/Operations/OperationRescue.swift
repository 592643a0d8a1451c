import Platform
import Postgres
import Shared

/// Looks again and again for what must not stay as it is: leases that ran out, due retries, expired
/// copies.
///
/// Runs in every hub; one row a transaction, so that one bad row stops nothing else.
struct OperationRescue: Service {
    private let changes: ChangeRunner
    private let settings: OperationSettings
    private let log: Logger

    init(_ changes: ChangeRunner, settings: OperationSettings, log: Logger) {
        self.changes = changes
        self.settings = settings
        self.log = log
    }

    func run() async throws {
        var round = 0
        while !Task.isCancelled {
            do {
                if try await RescueProbe(pool: changes.pool).isNeeded() { try await sweep() }
                if round % 600 == 0 { try await sweepRarely() }
            } catch is CancellationError {
                return
            } catch {
                log.warning(
                    "the sweep of operations failed", ["error": LogValue(describing: error)])
            }
            round += 1
            try await Task.sleep(for: settings.sweep)
        }
    }

    /// One round.
    func sweep() async throws {
        try await changes.run { change in
            change.lanes.formUnion(
                try await OperationRescueStore(change.transaction).wakeDue())
        }
        let stale = try await changes.run { change in
            try await OperationRescueStore(change.transaction).stale(limit: 1000)
        }
        for lease in stale { await attempt { try await takeBack(lease) } }
        let expired = try await changes.run { change in
            try await OperationRescueStore(change.transaction).expired()
        }
        for (operation, root) in expired { await attempt { try await expire(operation, root) } }
        let copies = try await changes.run { change in
            try await OperationRescueStore(change.transaction).expiredCopies()
        }
        for (copy, destination, isOpen) in copies {
            await attempt { try await expireCopy(copy, destination, isOpen: isOpen) }
        }
    }

    private func sweepRarely() async throws {
        await attempt { try await makeDays() }
        await attempt { try await OperationLimits(changes).fitAll() }
        await attempt {
            let dropped = try await changes.run { change in
                try await OperationDays(change.transaction).drop(
                    olderThanDays: settings.keptDays)
            }
            if dropped > 0 {
                log.info("days of old operations were dropped", ["days": "\(dropped)"])
            }
        }
        try await changes.run { change in
            try await OperationDays(change.transaction).sweepSessions()
            try await OperationRescueStore(change.transaction).sweepOld()
            try await ProgressStore(change.transaction).sweep()
            try await GroupStore(change.transaction).sweep()
        }
    }

    /// Makes the partitions of the coming days.
    func makeDays() async throws {
        try await changes.run { change in
            try await OperationDays(change.transaction).make(ahead: settings.daysAhead)
        }
    }

    /// Takes one lease back, unless its holder has kept it up meanwhile.
    ///
    /// - Parameter unlistedMilliseconds: how long it may have been unlisted; nil does not ask.
    func takeBack(
        _ lease: OperationRescueStore.Stale, unlistedMilliseconds: Int64? = nil
    ) async throws {
        try await changes.run { change in
            let store = OperationRescueStore(change.transaction)
            // One that somebody works on is looked at again in the next round, and holds up no other.
            guard try await OperationStore(change.transaction).lockTreeIfFree(lease.root),
                try await store.isStill(lease, unlistedMilliseconds: unlistedMilliseconds),
                let body = try await OperationBodyReader(change.transaction).body(lease.operation)
            else { return }
            let effect = try await OperationCompletion.takeBack(
                body, epoch: lease.epoch, reason: lease.reason, isTry: lease.isTry, in: &change)
            log.warning(
                "a lease was taken back",
                [
                    "operation": "\(lease.operation)", "reason": "\(lease.reason)",
                    "effect": "\(effect)",
                ])
        }
    }

    private func expire(_ operation: OperationID, _ root: OperationID) async throws {
        try await changes.run { change in
            guard try await OperationStore(change.transaction).lockTreeIfFree(root),
                let body = try await OperationBodyReader(change.transaction).body(operation),
                let tries = try await OperationTransitions(change.transaction)
                    .leaveQueue(operation)
            else { return }
            try await OperationCompletion.end(body, epoch: nil, tries, .expired, in: &change)
        }
    }

    private func expireCopy(
        _ copy: CopyID, _ destination: ProjectID, isOpen: Bool
    ) async throws {
        try await changes.run { change in
            try await CopyEnding.end(
                copy, destination, isOpen ? .expired : nil, failure: nil, in: &change)
        }
    }

    private func attempt(_ body: () async throws -> Void) async {
        do {
            try await body()
        } catch {
            log.warning(
                "an operation could not be swept", ["error": LogValue(describing: error)])
        }
    }
}
