import Postgres
import Shared

/// Ends a copy and lets go of its backup, once: a second finisher finds nothing to do.
enum CopyEnding {
    /// Says of a copy what became of the operation that applied it, in the transaction of its end:
    /// nobody finds the copy open that is done.
    ///
    /// One that was stopped, or whose destination was placed anew meanwhile, is pending again; its
    /// workflow decides.
    static func applied(
        _ copy: CopyID, by body: OperationBody, _ ending: OperationEnding, in change: inout Change
    ) async throws {
        guard let destination = body.project else { return }
        let store = CopyStore(change.transaction)
        var failure: Failure?
        var isPlaced = false
        if case .failed(let reason) = ending {
            let input = try JSON.decode(VolumeApplyInput.self, from: body.input)
            failure = reason
            isPlaced = try await store.isPlaced(
                destination, lane: body.lane, input.volume.generation)
        }
        if case .ends(let state) = CopyVerdict.applied(ending.state, isPlaced: isPlaced) {
            try await end(copy, destination, state, failure: failure, in: &change)
            return
        }
        guard try await store.isOpen(copy) else { return }
        try await change.record(
            .copyChanged(
                CopyChanged(copy: copy, destination: destination, state: .pending, failure: nil)))
    }

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
