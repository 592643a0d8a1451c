import Postgres
import Shared

/// Changes limits while work goes on.
///
/// In two steps: the first writes the new number down, and from its commit on nobody gives out work by
/// the old one; the second waits for those who just do, seats what runs already, and makes the places
/// fit. What runs goes on; where there are too many, places go as they come free. A hub that dies in
/// between leaves too few places, which the next sweep puts right.
struct OperationLimits: Sendable {
    private let changes: ChangeRunner

    init(_ changes: ChangeRunner) {
        self.changes = changes
    }

    /// Gives a resource the number that the configuration says, unless somebody set another; finishes
    /// a change that was broken off.
    func setDefault(_ resource: String, places: Int) async throws {
        let mustFit = try await changes.run { change in
            let store = LimitStore(change.transaction)
            if let known = try await store.places(resource),
                !known.isDefault || known.count == places
            {
                return !known.isFit
            }
            try await store.write(
                resource, places: places, isDefault: true, by: "hub", reason: nil)
            try await store.raiseVersion()
            return true
        }
        if mustFit { try await fit(resource) }
    }

    /// Sets a limit.
    ///
    /// - Parameter places: 0 lets nothing begin.
    func set(
        _ resource: String, places: Int, by author: RegistryWriter.Author
    ) async throws {
        try await changes.run { change in
            let store = LimitStore(change.transaction)
            let before = try await store.places(resource)?.count
            try await store.write(
                resource, places: places, isDefault: false, by: author.actor,
                reason: author.reason)
            try await store.note(
                resource, before: before, after: places, by: author.actor,
                reason: author.reason)
            try await store.raiseVersion()
        }
        try await fit(resource)
    }

    /// Takes a limit away; where the configuration has one, that holds again.
    ///
    /// - Parameter fallback: the configuration's number.
    /// - Returns: false when there was none.
    func unset(
        _ resource: String, fallback: Int?, by author: RegistryWriter.Author
    ) async throws -> Bool {
        let wasThere = try await changes.run { change in
            let store = LimitStore(change.transaction)
            guard let before = try await store.places(resource) else { return false }
            if let fallback {
                try await store.write(
                    resource, places: fallback, isDefault: true, by: author.actor,
                    reason: author.reason)
            } else {
                try await store.remove(resource)
            }
            try await store.note(
                resource, before: before.count, after: fallback, by: author.actor,
                reason: author.reason)
            try await store.raiseVersion()
            return true
        }
        if wasThere { try await fit(resource) }
        return wasThere
    }

    /// Makes the places of a resource fit its limit.
    func fit(_ resource: String) async throws {
        try await changes.run { change in
            let store = LimitStore(change.transaction)
            try await store.keepClaimsOut()
            try await store.fit(resource)
        }
        changes.bell.hint()
        changes.bell.ring([OperationBell.hub])
    }

    /// Puts right what a change left that was broken off, and takes away free places too many.
    func fitAll() async throws {
        let unfit = try await changes.run { change in
            try await LimitStore(change.transaction).unfit()
        }
        for resource in unfit { try await fit(resource) }
    }
}
