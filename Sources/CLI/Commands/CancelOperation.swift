import Shared

/// Asks for an operation to stop and waits until that is certain (D14).
struct CancelOperation: Sendable {
    let invocation: Invocation

    func run() async throws -> ExitCode {
        let operation = try await invocation.change(
            "POST", ["operations", try invocation.word(0), "cancel"],
            as: OperationDescription.self)
        if invocation.settings.isDetached {
            return try await invocation.follow(operation) { _ in Ending("") }
        }
        let end = try await OperationWaiter(invocation: invocation).wait(
            for: operation, timeout: invocation.settings.timeout)
        let title = Ending.title(of: end)
        let doubt =
            end.isCancelConfirmed == false ? "; its worker has not confirmed that it stopped" : ""
        try await invocation.publisher.one(
            end, schema: "operation/1", id: end.id.description,
            text: "\(title) \(end.state == .canceled ? "is" : "had already") "
                + "\(end.state.rawValue)\(doubt)\n")
        return end.state == .canceled ? .done : .refused
    }
}
