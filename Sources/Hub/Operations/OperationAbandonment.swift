import Postgres
import Shared

/// Ends an operation that nobody can bring to its end: what an operator does who knows better.
///
/// Nobody is asked, and nothing is undone. It takes a new epoch with it, so that whatever its
/// workers still send comes too late (D7); its hosts hear of it with their next heartbeat, stop, and
/// clean up what they kept of it.
enum OperationAbandonment {
    /// Ends one operation and all its parts, under its tree's lock; one that has ended stays as it
    /// is.
    static func run(
        _ body: OperationBody, by author: RegistryWriter.Author, in change: inout Change
    ) async throws {
        for child in try await WorkflowStore(change.transaction).children(of: body.id)
        where child.outcome == nil {
            guard let part = try await OperationBodyReader(change.transaction).body(child.id)
            else { continue }
            try await run(part, by: author, in: &change)
        }
        guard let tries = try await leave(body.id, in: change) else { return }
        let workflow = try await WorkflowStore(change.transaction).load(body.id)
        let phase = workflow.map { " in phase \($0.phase)" } ?? ""
        let reason = author.reason.map { ": \($0)" } ?? ""
        let failure = Failure(
            code: "abandoned", message: "given up\(phase) by \(author.actor)\(reason)",
            hint: "nothing was undone; look at the project and its host")
        let epoch = try await OperationTransitions(change.transaction).drawEpoch()
        try await OperationCompletion.end(
            body, epoch: epoch, tries, .failed(failure), in: &change)
    }

    /// Takes it out of wherever it is.
    ///
    /// - Returns: its tries; nil when it has ended.
    private static func leave(
        _ operation: OperationID, in change: Change
    ) async throws -> OperationTries? {
        let transitions = OperationTransitions(change.transaction)
        // A claim needs no lock of the tree: what was ready may run by now.
        for _ in 0..<2 {
            if let lease = try await transitions.leaveRun(operation) {
                try await transitions.keep(lease, of: operation, ending: "abandoned")
                return lease.tries
            }
            if let tries = try await transitions.leaveQueue(operation) { return tries }
        }
        return nil
    }
}
