extension RepositoryLock {
    /// Runs `body` under a lock that is refreshed while it runs and given up afterwards.
    ///
    /// A lock that cannot be refreshed any more, because somebody removed it or because the store
    /// has failed for too long, ends `body` by cancellation.
    ///
    /// - Parameters:
    ///   - repository: the repository.
    ///   - file: the claim; its `hostname` must be synthetic.
    ///   - colleagues: the synthetic host names of holders that are not in the way.
    ///   - body: what is done under the lock.
    /// - Throws: `RepositoryError` with the code `locked`, and what `body` throws.
    static func holding<Answer: Sendable>(
        in repository: OpenRepository, as file: LockFile, beside colleagues: Set<String>,
        _ body: @escaping @Sendable () async throws -> Answer
    ) async throws -> Answer {
        let lock = try await acquire(in: repository, as: file, beside: colleagues)
        let answer: Answer
        do {
            answer = try await withRefreshing(lock, body)
        } catch {
            // The first failure counts; what stays is removed by whoever comes next.
            try? await lock.release()
            throw error
        }
        try await lock.release()
        return answer
    }

    private static func withRefreshing<Answer: Sendable>(
        _ lock: RepositoryLock, _ body: @escaping @Sendable () async throws -> Answer
    ) async throws -> Answer {
        try await withThrowingTaskGroup(of: Answer?.self) { group in
            group.addTask { try await body() }
            group.addTask {
                try await keepFresh(lock)
                return nil
            }
            defer { group.cancelAll() }
            // Whichever ends first: the body with its answer, or the lock with the reason.
            guard let answer = try await group.next() ?? nil else { throw CancellationError() }
            return answer
        }
    }

    /// Refreshes a lock until it is lost.
    private static func keepFresh(_ lock: RepositoryLock) async throws {
        let clock = ContinuousClock()
        var refreshed = clock.now
        while true {
            try await clock.sleep(for: refreshInterval)
            do {
                try await lock.refresh(at: .now())
                refreshed = clock.now
            } catch let error as RepositoryError where error.code == .store {
                if clock.now - refreshed > expiry - refreshInterval { throw error }
            }
        }
    }
}
