/// The hub's lock on a repository: what keeps stock restic's prune away while backups are on their
/// way. Follows restic's protocol, so that both sides see each other.
public actor RepositoryLock {
    private let repository: OpenRepository
    private var file: LockFile
    private var id: BlobID

    /// Between writing one's own lock and looking for others again; restic waits as long.
    ///
    /// It is for stores whose listings lag behind. Where a listing shows all that was written
    /// before, one of two that write first and look then sees the other, whatever the order.
    public static let settleTime = Duration.milliseconds(200)

    /// How often `refresh` must be called.
    public static let refreshInterval = Duration.seconds(5 * 60)
    /// When the last successful refresh is so long ago, work under the lock must stop.
    public static let expiry = Duration.seconds(22 * 60 + 30)

    private init(repository: OpenRepository, file: LockFile, id: BlobID) {
        self.repository = repository
        self.file = file
        self.id = id
    }

    /// Takes a lock: looks for conflicting ones, writes its own, waits, looks again.
    ///
    /// Where that fails behind the writing, the lock is removed, as far as that works; what is left of
    /// an earlier try of the same holder goes with the next one that succeeds.
    ///
    /// - Parameters:
    ///   - repository: the repository.
    ///   - file: the claim; its `hostname` must be synthetic, and with `username` and `pid` nobody
    ///     else's, who may hold one of this repository at the same time.
    ///   - colleagues: the synthetic host names of holders that are not in the way, because their
    ///     work and this one's are made for each other; default none.
    ///   - settleTime: how long it waits, default `settleTime`; zero where listings never lag.
    ///   - clock: what waits.
    /// - Throws: `RepositoryError`: `locked` naming whose lock is in the way; `store`, `corrupt`.
    public static func acquire(
        in repository: OpenRepository, as file: LockFile,
        beside colleagues: Set<String> = [],
        settling settleTime: Duration = RepositoryLock.settleTime,
        clock: any Clock<Duration> = ContinuousClock()
    ) async throws -> RepositoryLock {
        _ = try await refuseConflicts(with: file, own: nil, beside: colleagues, in: repository)
        let sealed = try repository.seal(JSONFile.encode(file), as: .locks)
        do {
            try await repository.write(sealed)
            try await clock.sleep(for: settleTime)
            let others = try await refuseConflicts(
                with: file, own: sealed.id, beside: colleagues, in: repository)
            for (id, other) in others where file.isOfSameHolder(as: other) {
                try await repository.remove(.locks, id)
            }
        } catch {
            // What counts is why there is no lock.
            try? await repository.remove(.locks, sealed.id)
            throw error
        }
        return RepositoryLock(repository: repository, file: file, id: sealed.id)
    }

    /// Writes the lock anew with the time `now` and removes the old one.
    ///
    /// - Throws: `RepositoryError`: `locked` when somebody has removed this lock, which means that
    ///   the work under it must stop; `store`.
    public func refresh(at now: NodeTime) async throws {
        guard try await repository.ids(of: .locks).contains(id) else {
            throw RepositoryError(
                code: .locked, message: "this lock was removed by somebody: stop what it covered")
        }
        var fresh = file
        fresh.time = now
        let freshID = try await repository.write(.locks, JSONFile.encode(fresh))
        let old = id
        (file, id) = (fresh, freshID)
        try await repository.remove(.locks, old)
    }

    /// Gives the lock up.
    public func release() async throws {
        try await repository.remove(.locks, id)
    }

    /// All locks that are there, with their names.
    ///
    /// - Throws: `RepositoryError`: `corrupt`, `store`.
    public static func all(in repository: OpenRepository) async throws -> [BlobID: LockFile] {
        var locks: [BlobID: LockFile] = [:]
        for id in try await repository.ids(of: .locks) {
            do {
                let json = try await repository.read(.locks, id)
                locks[id] = try JSONFile.decode(LockFile.self, from: json, object: "locks/\(id)")
            } catch let error as RepositoryError {
                // It was given up between the listing and the reading.
                if case .missing = error.code { continue }
                throw error
            }
        }
        return locks
    }

    /// Removes stale locks, as `restic unlock` does.
    ///
    /// - Returns: how many were removed.
    public static func removeStale(in repository: OpenRepository, at now: NodeTime) async throws
        -> Int
    {
        let stale = try await all(in: repository).filter { $0.value.isStale(at: now) }
        for id in stale.keys { try await repository.remove(.locks, id) }
        return stale.count
    }

    /// Removes all locks of one holder, whose owner knows that nothing of it works any more.
    ///
    /// - Parameter hostname: the synthetic host name that the locks carry.
    /// - Throws: `RepositoryError`: `corrupt`, `store`.
    public static func remove(
        heldBy hostname: String, in repository: OpenRepository
    ) async throws {
        for (id, file) in try await all(in: repository) where file.hostname == hostname {
            try await repository.remove(.locks, id)
        }
    }

    /// The locks of one holder.
    ///
    /// - Parameter hostname: the synthetic host name that the locks carry.
    /// - Throws: `RepositoryError`: `corrupt`, `store`.
    public static func ids(
        heldBy hostname: String, in repository: OpenRepository
    ) async throws -> [BlobID] {
        try await all(in: repository).filter { $0.value.hostname == hostname }.map(\.key)
    }

    /// Removes locks whose owner knows that nothing of them works any more; those that are gone are
    /// no error.
    ///
    /// - Throws: `RepositoryError`: `store`.
    public static func remove(_ ids: [BlobID], in repository: OpenRepository) async throws {
        for id in ids { try await repository.remove(.locks, id) }
    }

    private static func refuseConflicts(
        with file: LockFile, own: BlobID?, beside colleagues: Set<String>,
        in repository: OpenRepository
    ) async throws -> [BlobID: LockFile] {
        let others = try await all(in: repository).filter { $0.key != own }
        for other in others.values {
            guard file.conflicts(with: other), !colleagues.contains(other.hostname) else {
                continue
            }
            throw RepositoryError(
                code: .locked,
                message: "the repository is locked\(other.exclusive ? " exclusively" : "") by "
                    + "\(other.username)@\(other.hostname), process \(other.pid), since "
                    + "\(other.time.text); if that is dead, `restic unlock` removes its lock")
        }
        return others
    }
}
