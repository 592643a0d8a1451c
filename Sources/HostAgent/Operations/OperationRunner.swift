import Platform
import Shared

/// Runs operations under their leases: decides whether to accept one, works, and stores the outcome
/// with its report in one transaction.
struct OperationRunner: Sendable {
    let host: Work.Host

    /// Runs one operation to its end here.
    ///
    /// - Throws: only what must end the agent, such as a damaged ledger; a failure of the operation
    ///   is an outcome.
    func run(
        _ operation: LeasedOperation, progress: ProgressReporter, stop: StopSignal
    ) async throws {
        let logger = host.logger.with([
            "operation": .init(describing: operation.id), "kind": .string(operation.kind.rawValue),
            "epoch": .integer(operation.epoch),
        ])
        do {
            // No input, or one of another form, names no volume; the executor says what is wrong.
            let volume = operation.input["volume"].flatMap {
                try? JSON.decode(VolumeReference.self, from: $0)
            }
            switch try await host.ledger.accept(operation, volume: volume) {
            case .stale:
                logger.warning("An operation came under a stale lease and is left alone.")
            case .answer(let outcome):
                logger.info("An operation that had ended here is answered again.")
                try await host.ledger.finish(outcome, project: volume?.project)
            case .refuse(let failure):
                logger.warning("An operation is refused.", ["why": .string(failure.message)])
                try await finish(operation, volume, .failure(failure))
            case .run:
                logger.info("An operation begins.")
                try await work(operation, volume, progress, stop, logger)
                if volume != nil { try await host.pool.run { HeapMemory.giveBack() } }
            }
        } catch is CancellationError {
            return
        }
    }

    private func work(
        _ operation: LeasedOperation, _ volume: VolumeReference?, _ progress: ProgressReporter,
        _ stop: StopSignal, _ logger: Logger
    ) async throws {
        let work = Work(
            operation: operation.id, epoch: operation.epoch, progress: progress, host: host)
        do {
            let result = try await stop.run { try await Executors.run(operation, work) }
            try await finish(operation, volume, .success(result))
            logger.info("An operation succeeded.")
        } catch StopReason.canceled {
            await cleanUp(work, volume, logger)
            try await host.ledger.finish(
                OperationOutcome(
                    operation: operation.id, epoch: operation.epoch, state: .canceled,
                    result: nil, failure: nil), project: volume?.project)
            logger.info("An operation was canceled.")
        } catch let reason as StopReason {
            logger.warning("An operation lost its lease.", ["why": .init(describing: reason)])
        } catch is CancellationError {
            // The agent stops; the journal has what the next run goes on from.
            throw CancellationError()
        } catch  where FailureTranslation.isLeaseLost(error) {
            logger.warning("An operation lost its lease.", ["why": .init(describing: error)])
        } catch {
            let failure = FailureTranslation.failure(of: error)
            if failure.class == .terminal { await cleanUp(work, volume, logger) }
            try await finish(operation, volume, .failure(failure))
            logger.warning(
                "An operation failed.",
                ["code": .string(failure.code), "error": .string(failure.message)])
        }
    }

    /// Removes what an operation that will not go on has left in staging.
    private func cleanUp(_ work: Work, _ volume: VolumeReference?, _ logger: Logger) async {
        guard let volume else { return }
        do {
            try await StagingCleanup(host: host).remove(work.operation, of: volume.project)
        } catch {
            logger.warning(
                "Staging was not cleaned; the next start does it.",
                ["error": .init(describing: error)])
        }
    }

    private func finish(
        _ operation: LeasedOperation, _ volume: VolumeReference?,
        _ result: Result<JSONValue?, Failure>
    ) async throws {
        var outcome = OperationOutcome(
            operation: operation.id, epoch: operation.epoch, state: .succeeded, result: nil,
            failure: nil)
        switch result {
        case .success(let value):
            outcome.result = value
        case .failure(let failure):
            outcome.state = .failed
            outcome.failure = failure
        }
        // What the operation changed is reported before its outcome, so that whoever waits for the
        // outcome sees the change.
        if let volume { try await host.observer.observe(volume.project) }
        try await host.ledger.finish(outcome, project: volume?.project)
    }
}
