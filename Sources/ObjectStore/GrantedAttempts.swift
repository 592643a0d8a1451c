import HTTP
import Platform

extension GrantedStore.Options {
    /// Runs `body` again after failures that may pass, until the patience is over.
    ///
    /// - Parameter failureOf: what a failed exchange is, by default one with the hub.
    func attempts<Answer: Sendable>(
        _ what: String, isRepeatable: Bool,
        failureOf: (HTTPError, String) -> ObjectStoreError = GatewayAnswer.failure(of:_:),
        _ body: () async throws -> Answer
    ) async throws -> Answer {
        let clock = ContinuousClock()
        let end = clock.now + patience
        var attempt = 0
        while true {
            attempt += 1
            let failure: ObjectStoreError
            do {
                return try await body()
            } catch let error as ObjectStoreError {
                failure = error
            } catch let error as HTTPError {
                failure = failureOf(error, what)
            }
            let wait = backoff.delay(afterAttempt: attempt)
            guard failure.isRetryable, isRepeatable, clock.now + wait < end else { throw failure }
            try await clock.sleep(for: wait)
        }
    }
}

extension ObjectBody {
    /// The body of a request; files are read on `files`.
    func message(reading files: BlockingPool) -> HTTPBody {
        switch source {
        case .bytes(let bytes): return .bytes(bytes)
        case .pieces(let pieces): return .pieces(pieces)
        case .stream(let next):
            return .stream(length: bytes) { writer in
                while let piece = try await next() { try await writer.write(piece) }
            }
        case .file(let path):
            return .stream(length: bytes) { writer in
                let file = try await files.run { try SourceFile(path: path) }
                while case let piece = try await files.run({ try file.next() }), !piece.isEmpty {
                    try await writer.write(piece)
                }
            }
        }
    }
}
