import Postgres
import Shared

/// Ends a copy and lets go of its backup, once: a second finisher finds nothing to do.
enum CopyEnding {
    /// - Parameter state: how it ends; nil only lets go of the backup.
    static func end(
        _ copy: CopyID, _ destination: ProjectID, _ state: CopyState?, failure: Failure?,
        in change: inout Change
    ) async throws {
        let store = CopyStore(change.transaction)
        if let state {
            guard try await store.isOpen(copy) else { return }
            try await change.record(
                .copyChanged(
                    CopyChanged(
                        copy: copy, destination: destination, state: state, failure: failure)))
        }
        // A failed copy keeps its backup until it expires (D9).
        if state == .failed { return }
        if let pin = try await store.pin(of: copy) {
            try await change.record(.pinReleased(pin))
        }
    }
}
