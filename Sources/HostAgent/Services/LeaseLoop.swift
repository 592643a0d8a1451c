import Platform
import Shared

/// Takes work from the hub by long polls, and runs each operation as a child task of its own.
struct LeaseLoop: Service {
    let hub: HubClient
    let session: SessionState
    let running: RunningOperations
    let runner: OperationRunner
    /// How many operations run at once.
    let limit: Int
    /// Rings when an operation has ended, so that there is room.
    let room: Bell
    let logger: Logger
    private let clock = ContinuousClock()

    init(
        hub: HubClient, session: SessionState, running: RunningOperations,
        runner: OperationRunner, limit: Int, logger: Logger
    ) {
        self.hub = hub
        self.session = session
        self.running = running
        self.runner = runner
        self.limit = limit
        self.logger = logger
        room = Bell()
    }

    func run() async throws {
        try await withThrowingDiscardingTaskGroup { group in
            var backoff = ServiceBackoff()
            var request = RequestID.make()
            while true {
                let capacity = limit - running.count
                guard capacity > 0 else {
                    try await room.wait(upTo: .seconds(5))
                    continue
                }
                let sentAt = clock.now
                do {
                    let answer = try await hub.lease(
                        LeaseRequest(
                            session: session.id, request: request, capacity: capacity,
                            waitMilliseconds: Int64(session.interval / .milliseconds(1)),
                            logHead: session.logHead))
                    if backoff.isFailing { logger.info("The hub gives out work again.") }
                    backoff.succeeded()
                    request = .make()
                    for operation in answer.operations {
                        begin(operation, sentAt: sentAt, in: &group)
                    }
                } catch let error as AgentError {
                    // The same request id gets the same answer, should it only have been lost.
                    if !backoff.isFailing {
                        logger.warning(
                            "No work can be fetched.", ["error": .init(describing: error)])
                    }
                    if error.code == .refused { session.reopen.ring() }
                    try await clock.sleep(for: backoff.failed())
                }
            }
        }
    }

    private func begin(
        _ operation: LeasedOperation, sentAt: ContinuousClock.Instant,
        in group: inout ThrowingDiscardingTaskGroup<any Error>
    ) {
        let stop = StopSignal()
        let progress = ProgressReporter(phaseCount: Executors.phaseCount(of: operation.kind))
        let fence = LeaseFence(renewedAt: sentAt, lease: session.lease)
        guard running.begin(operation, fence: fence, progress: progress, stop: stop) else {
            return
        }
        group.addTask {
            defer {
                running.end(operation.id)
                room.ring()
            }
            // Renews the lease at once: the long poll may have used up a part of it.
            running.changed.ring()
            try await runner.run(operation, progress: progress, stop: stop)
        }
    }
}
