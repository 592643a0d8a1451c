import Platform
import Shared

/// Waits for an operation.
///
/// The row is the truth: it is asked for until it is terminal. The stream
/// of progress only makes the wait look alive, and losing it changes nothing.
struct OperationWaiter: Sendable {
    /// How long a hub may give no answer before the wait is given up.
    static let patience = Duration.seconds(900)
    /// How long the hub is asked to hold its answer; less where the row is the only news.
    static let hold = Duration.seconds(20)
    static let shortHold = Duration.seconds(2)

    private let invocation: Invocation
    private let backoff = Backoff(base: .milliseconds(250), cap: .seconds(3))

    private let progress: ProgressStyle

    /// - Parameter progress: how the wait is shown, where not as the flags say.
    init(invocation: Invocation, progress: ProgressStyle? = nil) {
        self.invocation = invocation
        self.progress = progress ?? invocation.settings.progress
    }

    private enum Outcome: Sendable {
        case ended(OperationDescription)
        case timedOut
        case aside
    }

    /// - Parameter timeout: how long to wait, nil for ever; the operation goes on afterwards.
    /// - Throws: `CommandFailure`: `timeout`, `unreachable` after much patience, or the hub's
    ///   refusal.
    func wait(
        for operation: OperationDescription, timeout: Duration?
    ) async throws -> OperationDescription {
        if operation.state.isTerminal { return operation }
        let hub = try invocation.hub()
        let board = ProgressBoard(operation, style: progress, invocation: invocation)
        invocation.inFlight.watch(operation.id)
        defer { invocation.inFlight.unwatch(operation.id) }
        await board.begin()
        let outcome = try await withThrowingTaskGroup(of: Outcome.self) { group in
            group.addTask { .ended(try await followRow(operation.id, hub, board)) }
            if progress != .none {
                group.addTask { await followEvents(operation.id, hub, board) }
                group.addTask {
                    await board.tick()
                    return .aside
                }
            }
            if let timeout {
                group.addTask {
                    try await Task.sleep(for: timeout)
                    return .timedOut
                }
            }
            defer { group.cancelAll() }
            while let outcome = try await group.next() {
                if case .aside = outcome { continue }
                return outcome
            }
            throw CancellationError()
        }
        await board.end()
        if case .ended(let end) = outcome { return end }
        throw CommandFailure(
            .timeout, code: "timeout",
            "\(Ending.title(of: operation)) still runs after the time given with --timeout",
            hint: "it goes on; see berth operation watch \(operation.id)", operation: operation.id)
    }

    private func followRow(
        _ id: OperationID, _ hub: HubClient, _ board: ProgressBoard
    ) async throws -> OperationDescription {
        let clock = ContinuousClock()
        var answeredAt = clock.now
        var failures = 0
        var random = Random()
        while true {
            let askedAt = clock.now
            let needsNews = await board.needsNews
            let hold = needsNews ? Self.shortHold : Self.hold
            do {
                var request = APIRequest.get(
                    ["operations", id.description],
                    query: [.init("wait", "\(hold.components.seconds)s")])
                request.deadline = hold + .seconds(20)
                request.tries = 1
                let row = try await hub.send(request, as: OperationDescription.self)
                (failures, answeredAt) = (0, clock.now)
                await board.take(row)
                if row.state.isTerminal { return row }
                // A hub that does not hold its answer is not asked in a tight loop.
                let pace = Duration.milliseconds(300)
                if clock.now - askedAt < pace { try await Task.sleep(for: pace) }
            } catch let failure as CommandFailure where Self.isPassing(failure) {
                failures += 1
                await board.lose()
                guard clock.now - answeredAt < Self.patience else {
                    var last = failure
                    last.hint = "\(id) goes on without you; see berth operation watch \(id)"
                    last.operation = id
                    throw last
                }
                try await Task.sleep(for: backoff.delay(afterAttempt: failures, using: &random))
            }
        }
    }

    /// Whether asking again may help.
    private static func isPassing(_ failure: CommandFailure) -> Bool {
        if failure.code == "tls" { return false }
        if let status = failure.status { return status == 429 || status >= 500 }
        return failure.exitCode == .unreachable
    }

    private func followEvents(
        _ id: OperationID, _ hub: HubClient, _ board: ProgressBoard
    ) async -> Outcome {
        var last: String?
        var failures = 0
        var random = Random()
        while !Task.isCancelled {
            do {
                let events = try await hub.events(
                    ["operations", id.description, "events"], after: last)
                await board.setStreaming(true)
                for try await event in events {
                    failures = 0
                    if let id = event.id { last = id }
                    await board.take(event)
                }
            } catch let failure as CommandFailure where !Self.isPassing(failure) {
                return .aside
            } catch {
                // Progress is a courtesy: whatever is wrong with the stream, the row decides.
            }
            await board.setStreaming(false)
            failures += 1
            let pause = backoff.delay(afterAttempt: failures, using: &random)
            // Only cancellation ends the sleep early, and the loop sees it.
            try? await Task.sleep(for: pause + .milliseconds(100))
        }
        return .aside
    }
}
