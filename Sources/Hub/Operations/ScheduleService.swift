import Platform
import Postgres
import Shared

/// Fires what is due.
///
/// Runs in every hub: the row of a schedule is locked while it is fired, and moved on in the
/// transaction that makes the operation, so that each firing happens once.
struct ScheduleService: Service {
    private let changes: ChangeRunner
    private let identifiers: Identifiers
    private let pause: Duration
    private let log: Logger

    /// When a schedule whose firing failed is tried again.
    private static let postponedSeconds: Int64 = 60

    /// - Parameter pause: how often is looked.
    init(
        _ changes: ChangeRunner, identifiers: Identifiers, pause: Duration = .seconds(1),
        log: Logger
    ) {
        self.changes = changes
        self.identifiers = identifiers
        self.pause = pause
        self.log = log
    }

    func run() async throws {
        while !Task.isCancelled {
            do {
                while try await fireNext() {}
            } catch is CancellationError {
                return
            } catch {
                log.warning("a schedule could not be fired", ["error": LogValue(describing: error)])
            }
            try await Task.sleep(for: pause)
        }
    }

    /// Fires one schedule that is due.
    ///
    /// - Returns: whether there was one.
    func fireNext() async throws -> Bool {
        let taken = Locked<ScheduleID?>(nil)
        do {
            return try await fireNext(taken)
        } catch let error as CancellationError {
            throw error
        } catch {
            guard let schedule = taken.withLock({ $0 }) else { throw error }
            log.warning(
                "a schedule could not be fired",
                ["schedule": "\(schedule)", "error": LogValue(describing: error)])
            // It does not hold up those that are due behind it.
            try await changes.run { change in
                try await ScheduleStore(change.transaction).postpone(
                    schedule, seconds: Self.postponedSeconds, problem: "\(error)")
            }
            return true
        }
    }

    /// - Parameter taken: is told the schedule that is fired.
    private func fireNext(_ taken: Locked<ScheduleID?>) async throws -> Bool {
        try await changes.run { change -> Bool in
            let store = ScheduleStore(change.transaction)
            guard let id = try await store.takeDue() else { return false }
            taken.withLock { $0 = id }
            let due = try await store.due(id)
            let firing = Firing(due)
            // Both are the commit point of a firing: the clock's next slot, and the operation.
            try await store.set(due.id, slot: firing.next, due: firing.nextDue)
            let outcome = try await begin(due, in: &change)
            try await store.fired(
                due.id, operation: outcome.operation, problem: outcome.problem,
                missed: firing.missed)
            return true
        }
    }

    private func begin(
        _ due: ScheduleStore.Due, in change: inout Change
    ) async throws -> (operation: OperationID?, problem: String?) {
        if let last = due.lastOperation,
            try await !OperationCancelStore(change.transaction).hasEnded(last),
            try await OperationBodyReader(change.transaction).body(last) != nil
        {
            return (nil, "operation \(last) of the firing before has not ended")
        }
        let creation = OperationCreation(
            change.transaction,
            author: RegistryWriter.Author(
                actor: "schedule:\(due.name)", reason: "due at \(due.slot)"),
            identifiers: identifiers)
        do {
            let order = try await ScheduleDesk.order(due.definition, in: change.transaction)
            let created = try await creation.create(order)
            change.lanes.insert(OperationBell.hub)
            return (created.id, nil)
        } catch let problem as Problem {
            // Nothing was written before it was refused; the next firing tries again.
            return (nil, problem.detail)
        }
    }

    /// What follows from a schedule that is due: firings that were missed are made good by one.
    struct Firing: Sendable, Equatable {
        var next: Timestamp
        var nextDue: Timestamp
        var missed: Int64

        init(_ due: ScheduleStore.Due) {
            let cadence = due.definition.cadence
            let last = max(due.slot, due.now)
            next = cadence.slot(after: last)
            nextDue = cadence.due(next, seed: due.id.seed)
            missed = cadence.slots(after: due.slot, through: due.now)
        }
    }
}

extension Identifier {
    /// Tells one identity from others, for what only has to differ.
    var seed: UInt64 {
        uuid.utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01B3 }
    }
}
