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
    private static let username = "berth"
    private static let sweepInterval: Duration = .seconds(2)

    private struct Held {
        /// Nil while it is being taken.
        var lock: RepositoryLock?
        var refreshedAt: ContinuousClock.Instant
        let repository: BucketStore.Repository
    }

    private let vault: RepositoryVault
    private let logger: Logger
    private let clock = ContinuousClock()
    private var held: [RepositoryID: Held] = [:]

    init(vault: RepositoryVault, logger: Logger) {
        self.vault = vault
        self.logger = logger
    }

    /// Holds the lock of a repository, as long as a backup into it is in flight.
    ///
    /// - Throws: `Problem` 503 `repository-locked` while stock restic holds it exclusively.
    func hold(_ repository: BucketStore.Repository) async throws {
        if held[repository.id] != nil { return }
        held[repository.id] = Held(lock: nil, refreshedAt: clock.now, repository: repository)
        do {
            let opened = try await vault.open(repository)
            _ = try await RepositoryLock.removeStale(in: opened, at: .now())
            let lock = try await RepositoryLock.acquire(
                in: opened,
                as: LockFile(
                    time: .now(), exclusive: false, hostname: Self.hostname,
                    username: Self.username, pid: Int(getpid())),
                beside: [PruneOptions().hostname],
                settling: repository.bucket.kind == "directory"
                    ? .zero : RepositoryLock.settleTime)
            held[repository.id]?.lock = lock
        } catch let error as RepositoryError where error.code == .locked {
            held[repository.id] = nil
            throw Problem(
                status: 503, code: "repository-locked", title: "The repository is locked",
                detail: "\(error)", hint: "it is tried again by itself")
        } catch {
            held[repository.id] = nil
            throw error
        }
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
        for (id, entry) in held {
            guard let lock = entry.lock else { continue }
            if !busy.contains(id) {
                await release(id, entry)
            } else if clock.now - entry.refreshedAt > RepositoryLock.refreshInterval {
                do {
                    try await lock.refresh(at: .now())
                    held[id]?.refreshedAt = clock.now
                } catch let error as RepositoryError where error.code == .locked {
                    // Somebody removed it: the next grant or commit takes a new one.
                    held[id] = nil
                }
            }
        }
    }

    private func release(_ id: RepositoryID, _ entry: Held) async {
        held[id] = nil
        do {
            try await entry.lock?.release()
            // What a killed hub left: the database has just said that no backup is in flight.
            try await RepositoryLock.remove(
                heldBy: Self.hostname, in: try await vault.open(entry.repository))
        } catch {
            logger.warning(
                "a repository's lock could not be given up",
                ["repository": .string("\(id)"), "error": LogValue(describing: error)])
        }
    }

    /// Removes the locks that a killed hub left on repositories without backups in flight; another
    /// hub's backups are in flight in the database too.
    private func removeLeftovers() async {
        do {
            let busy = try await vault.repositoriesWithBackups()
            for repository in try await vault.repositoriesBackedUpLately()
            where !busy.contains(repository.id) {
                try await RepositoryLock.remove(
                    heldBy: Self.hostname, in: try await vault.open(repository))
            }
        } catch {
            logger.warning(
                "locks that an earlier hub left could not be removed",
                ["error": LogValue(describing: error)])
        }
    }
}
