/// A part of the program that runs for as long as the program does.
public protocol Service: Sendable {
    /// Works until it is cancelled, then ends in order; an error ends the whole program.
    func run() async throws
}

/// Runs services side by side until one fails, all return, or a termination is asked for.
///
/// The first failure, and equally the first element of `termination`, cancels all services; the
/// function returns when every one of them has ended. A service that returns is done and the
/// others go on.
/// - Parameters:
///   - services: what to run.
///   - termination: ends everything in order with its first element, such as
///     `Signals.termination()`; a stream that finishes without one changes nothing.
/// - Throws: the first failure; a service that ends with `CancellationError` because it was
///   cancelled has not failed.
public func runServices(
    _ services: [any Service], until termination: AsyncStream<Int32>
) async throws {
    try await withThrowingTaskGroup(of: ServiceEnd.self) { group in
        for service in services {
            group.addTask {
                try await service.run()
                return .returned
            }
        }
        group.addTask {
            for await _ in termination { return .terminated }
            return .noTermination
        }
        var running = services.count
        var failure: (any Error)?
        var isStopping = false
        while let result = await group.nextResult() {
            switch result {
            case .success(.returned): running -= 1
            case .success(.noTermination): break
            case .success(.terminated): isStopping = true
            case .failure(let error):
                running -= 1
                let isCancellation = error is CancellationError && (isStopping || Task.isCancelled)
                if failure == nil, !isCancellation { failure = error }
                isStopping = true
            }
            if isStopping || running == 0 { group.cancelAll() }
        }
        if let failure { throw failure }
    }
}

private enum ServiceEnd: Sendable {
    case returned
    case terminated
    case noTermination
}
