import Glibc
import Platform
import Postgres
import Repository
import Shared

/// The restic locks that the hub holds on repositories with backups in flight, so that stock
/// restic's prune, which deletes packs that no index names yet, keeps its hands off (D2).
///
/// The database says which backups are in flight; a lock whose backups have all ended is given up
/// within a few seconds, one that a killed hub left behind when a hub starts.
actor RepositoryLocks: Service {
    /// What restic shows of the holder; synthetic, because `restic unlock` sends a signal to the
    /// process of a lock of its own host.
    static let hostname = "berth-hub.invalid"
    private static let sweepInterval: Duration = .seconds(2)

    private struct Held {
        let lock: RepositoryLock
        var refreshedAt: ContinuousClock.Instant
        let repository: BucketStore.Repository
    }

    private let vault: RepositoryVault
    private let logger: Logger
    /// Nobody else's, so that this hub knows which locks are left of its own tries.
    private let username = "berth-\(Random.hex(bytes: 4))"
    private let clock = ContinuousClock()
    private var held: [RepositoryID: Held] = [:]
    /// The repositories whose locks are being worked on, and who waits for that.
    private var turns: [RepositoryID: [CheckedContinuation<Void, Never>]] = [:]

    init(vault: RepositoryVault, logger: Logger) {
        self.vault = vault
        self.logger = logger
    }

    /// Holds the lock of a repository, as long as a backup into it is in flight.
    ///
    /// - Throws: `Problem` 503 `repository-locked` while stock restic holds it exclusively.
    func hold(_ repository: BucketStore.Repository) async throws {
        try await alone(repository.id) {
            if held[repository.id] != nil { return }
            do {
                held[repository.id] = Held(
                    lock: try await acquire(repository), refreshedAt: clock.now,
                    repository: repository)
            } catch let error as RepositoryError where error.code == .locked {
                throw Problem(
                    status: 503, code: "repository-locked", title: "The repository is locked",
                    detail: "\(error)", hint: "it is tried again by itself")
            }
        }
    }

    private func acquire(_ repository: BucketStore.Repository) async throws -> RepositoryLock {
        let opened = try await vault.open(repository)
        _ = try await RepositoryLock.removeStale(in: opened, at: .now())
        return try await RepositoryLock.acquire(
            in: opened,
            as: LockFile(
                time: .now(), exclusive: false, hostname: Self.hostname,
                username: username, pid: Int(getpid())),
            beside: [PruneOptions().hostname],
            settling: repository.bucket.kind == "directory" ? .zero : RepositoryLock.settleTime)
    }

    /// One thing is done with a repository's lock at a time: who comes meanwhile waits, and then
    /// finds what became of it.
    private func alone<Answer>(
        _ repository: RepositoryID, _ body: () async throws -> Answer
    ) async throws -> Answer {
        while turns[repository] != nil {
            await withCheckedContinuation { turns[repository]?.append($0) }
        }
        turns[repository] = []
        defer {
            for waiting in turns.removeValue(forKey: repository) ?? [] { waiting.resume() }
        }
        return try await body()
    }

    func run() async throws {
        await removeLeftovers()
        while !Task.isCancelled {
            do {
                try await clock.sleep(for: Self.sweepInterval)
                try await sweep()
            } catch is CancellationError {
                break
            } catch {
                logger.warning(
                    "repository locks could not be looked after",
                    ["error": LogValue(describing: error)])
            }
        }
        // Backups may go on without this hub: their locks stay for whoever takes over.
    }

    /// Gives up what no backup needs any more, and refreshes what is getting old.
    private func sweep() async throws {
        guard !held.isEmpty else { return }
        let busy = try await vault.repositoriesWithBackups()
        for id in Array(held.keys) {
            do {
                try await alone(id) {
                    if busy.contains(id) { try await refresh(id) } else { try await release(id) }
                }
            } catch let error as CancellationError {
                throw error
            } catch {
                // One bucket that fails does not keep the locks of others from being looked after.
                logger.warning(
                    "a repository's lock could not be looked after",
                    ["repository": "\(id)", "error": LogValue(describing: error)])
            }
        }
    }

    private func refresh(_ id: RepositoryID) async throws {
        guard let entry = held[id],
            clock.now - entry.refreshedAt > RepositoryLock.refreshInterval
        else { return }
        do {
            try await entry.lock.refresh(at: .now())
            held[id]?.refreshedAt = clock.now
        } catch let error as RepositoryError where error.code == .locked {
            // Somebody removed it: the next grant or commit takes a new one.
            held[id] = nil
        }
    }

    /// Gives a lock up, and what a killed hub left beside it: those that were there before the
    /// database said once more that no backup is in flight.
    private func release(_ id: RepositoryID) async throws {
        guard let entry = held[id] else { return }
        let repository = try await vault.open(entry.repository)
        let old = try await RepositoryLock.ids(heldBy: Self.hostname, in: repository)
        guard try await !vault.repositoriesWithBackups().contains(id) else { return }
        held[id] = nil
        try await entry.lock.release()
        try await RepositoryLock.remove(old, in: repository)
    }

    /// Removes the locks that a killed hub left on repositories without backups in flight; another
    /// hub's backups are in flight in the database too.
    private func removeLeftovers() async {
        do {
            for repository in try await vault.repositoriesBackedUpLately() {
                try await removeLeftovers(in: repository)
            }
        } catch {
            logger.warning(
                "locks that an earlier hub left could not be removed",
                ["error": LogValue(describing: error)])
        }
    }

    private func removeLeftovers(in repository: BucketStore.Repository) async throws {
        do {
            let opened = try await vault.open(repository)
            let old = try await RepositoryLock.ids(heldBy: Self.hostname, in: opened)
            guard !old.isEmpty,
                try await !vault.repositoriesWithBackups().contains(repository.id)
            else { return }
            try await RepositoryLock.remove(old, in: opened)
        } catch let error as RepositoryError {
            logger.warning(
                "the locks of a repository could not be looked at",
                ["repository": "\(repository.id)", "error": LogValue(describing: error)])
        }
    }
}
