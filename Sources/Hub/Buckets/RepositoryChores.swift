import ObjectStore
import Platform
import Postgres
import Repository
import Shared

/// Does what workflows ask for in the repositories: maintenance by the hub alone (D9, D13).
struct RepositoryChores: Sendable {
    let vault: RepositoryVault
    let pool: PostgresPool
    let log: Logger

    /// The hub's own locks do not stand in a prune's way: it waits for the backups that matter.
    private static let colleagues: Set<String> = [RepositoryLocks.hostname]

    /// Does one chore; what can go wrong with a repository is an outcome.
    ///
    /// - Throws: what trying again may help with: the bucket or the database cannot be reached.
    func perform(
        _ chore: RepositoryChore, of project: ProjectID,
        progress: @escaping @Sendable (Int64, Int64) -> Void
    ) async throws -> ChoreOutcome {
        // Packs are large, and their memory is used again and again until the end.
        defer { HeapMemory.giveBack() }
        let row: BucketStore.Repository
        do {
            row = try await vault.require(project)
        } catch let problem as Problem where problem.code == "no-repository" {
            return .refused(Failure(code: problem.code, message: problem.detail))
        }
        do {
            return try await perform(chore, row, project, progress)
        } catch let error as RepositoryError {
            switch error.code {
            case .locked: return .later("\(error)")
            case .corrupt, .missing, .wrongKey, .unsupported:
                log.error(
                    "a repository is not sound",
                    ["project": "\(project)", "error": LogValue(describing: error)])
                return .refused(
                    Failure(
                        code: "repository-damaged", message: "\(error)",
                        hint: "berth backup check says what is wrong"))
            case .alreadyExists, .limitExceeded, .invalidInput, .store, .fileSystem, .library,
                .verificationFailed:
                throw error
            }
        }
    }

    private func perform(
        _ chore: RepositoryChore, _ row: BucketStore.Repository, _ project: ProjectID,
        _ progress: @escaping @Sendable (Int64, Int64) -> Void
    ) async throws -> ChoreOutcome {
        if let busy = try await busy(chore, project) { return .later(busy) }
        let repository = try await vault.open(row)
        let prune = Prune(repository, options: PruneOptions(colleagues: Self.colleagues))
        switch chore {
        case .plan:
            if let refusal = try await refusal(row) { return .refused(refusal) }
            let swept = try await sweepSnapshots(of: repository, row, project)
            return .planned(try await prune.plan(), sweptSnapshots: swept)
        case .compact(let plan):
            return .compacted(
                try await prune.compact(plan) { progress(Int64($0), Int64($1)) })
        case .sweep(let plan):
            let removal = try await prune.sweep(plan)
            try await pool.withTransaction { transaction in
                try await RepositoryHealthStore(transaction).drop(
                    plan.marked.map(\.hex), of: row.id)
            }
            return .swept(removal)
        case .removeSnapshots(let names):
            for name in names {
                if let id = BlobID(hex: name) { try await repository.removeSnapshot(id) }
            }
            return .snapshotsRemoved
        case .checkStructure:
            return try await check(repository, row, progress)
        case .checkPacks(let since, let limitBytes):
            return try await read(repository, row, since: since, limitBytes, progress)
        case .rebuildIndex:
            return .indexRebuilt(
                IndexRepair(try await RepositoryRepair(repository).rebuildIndex()))
        case .salvage(let packs):
            let report = try await RepositoryRepair(repository).salvage(
                packs.compactMap { BlobID(hex: $0) })
            return .salvaged(blobs: report.salvagedBlobs, lost: report.lost.count)
        case .repairSnapshots:
            return .snapshotsRepaired(
                SnapshotsRepair(try await RepositoryRepair(repository).repairSnapshots()))
        case .copyRepository(let id):
            return .copied(
                try await RepositoryReplacement(vault: vault).copy(row, repository, to: id) {
                    progress(Int64($0), Int64($1))
                })
        case .removeRepository(let id):
            try await RepositoryReplacement(vault: vault).remove(id)
            return .repositoryRemoved
        }
    }

    /// What a prune would do now; changes nothing.
    func planned(for project: ProjectID) async throws -> PrunePlan {
        let repository = try await vault.open(try await vault.require(project))
        return try await Prune(
            repository, options: PruneOptions(colleagues: Self.colleagues)
        ).plan()
    }

    /// What is wrong with a repository that a repair would go about; changes and reads no pack.
    func examined(for project: ProjectID) async throws -> RepairResult {
        let row = try await vault.require(project)
        let report = try await vault.open(row).check(
            .structure, expected: try await liveSnapshots(of: row))
        let found = CheckResult(report)
        var result = RepairResult()
        result.recoveredPacks = report.orphans.count
        result.findings = found.findings
        result.findingCount = found.findingCount
        return result
    }

    /// Prune and what makes a repository anew keep out of each other's way: snapshots that a repair
    /// wrote are recorded only behind it, and a prune would not know them.
    ///
    /// - Returns: what is waited for.
    private func busy(_ chore: RepositoryChore, _ project: ProjectID) async throws -> String? {
        guard let rival = chore.rival else { return nil }
        return try await pool.withTransaction { transaction in
            switch rival {
            case .guardians:
                let guardian = try await GuardStore(transaction).holder(of: project)
                guard let guardian, ["repair", "rekey"].contains(guardian.kind) else { return nil }
                return "operation \(guardian.operation) works on the whole repository"
            case .prunes:
                guard let prune = try await RepositoryHealthStore(transaction).prune(of: project)
                else { return nil }
                return "operation \(prune) removes what is not needed"
            }
        }
    }

    /// Nothing is removed from a repository in which the last check found damage.
    private func refusal(_ row: BucketStore.Repository) async throws -> Failure? {
        let count = try await pool.withTransaction { transaction in
            try await RepositoryHealthStore(transaction).findingCount(of: row.id)
        }
        guard let count, count > 0 else { return nil }
        return Failure(
            code: "repository-damaged",
            message: "the last check found \(count) things wrong: nothing is removed",
            hint: "repair what berth backup check names, and check again")
    }

    /// Removes snapshot files that a commit left which was never recorded, and those of forgotten
    /// backups; what others wrote, stock restic for instance, is theirs.
    private func sweepSnapshots(
        of repository: OpenRepository, _ row: BucketStore.Repository, _ project: ProjectID
    ) async throws -> Int {
        // The files first: whose backup is neither recorded nor in the making then, was given up.
        let files = try await repository.snapshots()
        let rule = try await pool.withTransaction { transaction in
            let store = RepositoryHealthStore(transaction)
            let recorded = try await store.snapshots(of: row.id)
            let attempted = try await store.attemptedBackups(of: project)
            return SnapshotSweepRule(
                project: project, live: Set(recorded.filter(\.isLive).map(\.name)),
                forgotten: Set(recorded.filter { !$0.isLive }.map(\.name)),
                making: Set(attempted.filter(\.isLive).map(\.backup)),
                ended: Set(attempted.filter { !$0.isLive }.map(\.backup)),
                historyBegan: try await HistoryStore(transaction).began())
        }
        var swept = 0
        for (id, file) in files where rule.removes(id.hex, file) {
            try await repository.removeSnapshot(id)
            swept += 1
        }
        return swept
    }

    private func check(
        _ repository: OpenRepository, _ row: BucketStore.Repository,
        _ progress: @escaping @Sendable (Int64, Int64) -> Void
    ) async throws -> ChoreOutcome {
        let expected = try await liveSnapshots(of: row)
        let report = try await repository.check(.structure, expected: expected, progress: progress)
        // Those that were forgotten meanwhile are missing rightly.
        let still = try await liveSnapshots(of: row)
        let gone = Set(expected.subtracting(still).map { "snapshots/\($0)" })
        var result = CheckResult(report, leavingOutMissing: gone)
        result.bytes = report.bytes
        return .checked(result, packsLeft: 0)
    }

    private func liveSnapshots(of row: BucketStore.Repository) async throws -> Set<BlobID> {
        let recorded = try await pool.withTransaction { transaction in
            try await RepositoryHealthStore(transaction).snapshots(of: row.id)
        }
        return Set(recorded.filter(\.isLive).compactMap { BlobID(hex: $0.name) })
    }

    private func read(
        _ repository: OpenRepository, _ row: BucketStore.Repository, since: Timestamp,
        _ limitBytes: Int64, _ progress: @escaping @Sendable (Int64, Int64) -> Void
    ) async throws -> ChoreOutcome {
        let reads = try await pool.withTransaction { transaction in
            try await RepositoryHealthStore(transaction).packReads(of: row.id)
        }
        var lastRead: [BlobID: Int64] = [:]
        for (pack, time) in reads {
            if let id = BlobID(hex: pack) { lastRead[id] = time }
        }
        let report = try await repository.checkPacks(
            .oldest(limitBytes: limitBytes, due: since.milliseconds, lastRead: lastRead),
            progress: progress)
        let read = (report.packsRead + report.damagedPacks).map(\.hex)
        try await pool.withTransaction { transaction in
            try await RepositoryHealthStore(transaction).note(read, of: row.id)
        }
        return .checked(
            CheckResult(report), packsLeft: report.packsLeft,
            damaged: report.damagedPacks.map(\.hex))
    }
}

extension CheckResult {
    /// A report's numbers and findings.
    ///
    /// - Parameter missing: objects that are rightly missing.
    init(_ report: CheckReport, leavingOutMissing missing: Set<String> = []) {
        self.init()
        let findings = report.failures.filter { failure in
            guard case .missing(let object) = failure.code else { return true }
            return !missing.contains(object)
        }
        packs = report.packs
        blobs = report.blobs
        snapshots = report.snapshots
        orphans = report.orphans.count
        packsRead = report.packsRead.count
        bytesRead = report.bytesRead
        findingCount = report.failureCount - (report.failures.count - findings.count)
        self.findings = findings.prefix(Self.findingsLimit).map { "\($0)" }
    }
}
