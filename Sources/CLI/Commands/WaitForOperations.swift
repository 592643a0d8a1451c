import Shared

/// Waits for several operations side by side, for all or for the first one.
struct WaitForOperations: Sendable {
    let invocation: Invocation

    func run() async throws -> ExitCode {
        let words = try invocation.operands.indices.map { try invocation.word($0) }
        guard words.count <= 100 else {
            throw CommandFailure.usage("at most 100 operations at once, not \(words.count)")
        }
        var operations: [OperationDescription] = []
        for word in words { operations.append(try await OperationCommands.find(word, invocation)) }
        let isAny = invocation.options.has("any")
        let waiter = OperationWaiter(invocation: invocation, progress: ProgressStyle.none)
        let timeout = invocation.settings.timeout
        let ended = try await withThrowingTaskGroup(of: OperationDescription.self) { group in
            for operation in operations {
                group.addTask { try await waiter.wait(for: operation, timeout: timeout) }
            }
            defer { group.cancelAll() }
            var ended: [OperationDescription] = []
            while let end = try await group.next() {
                ended.append(end)
                if isAny { break }
            }
            return ended
        }
        for end in ended {
            let line = "\(end.id) \(Ending.title(of: end)): \(end.state.rawValue)\n"
            let publisher = Publisher(
                format: invocation.settings.format == .json ? .jsonl : invocation.settings.format,
                hasHeader: false, console: invocation.console)
            try await publisher.one(
                end, schema: "operation/1", id: end.id.description, text: line)
        }
        let failures = ended.compactMap(Ending.failure)
        if let worst = failures.first(where: { $0.exitCode == .operationFailed }) ?? failures.first
        {
            throw worst
        }
        return .done
    }
}
