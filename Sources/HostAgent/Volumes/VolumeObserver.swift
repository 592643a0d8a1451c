import Platform
import Shared

/// Looks at volumes and reports what has changed: whether a volume holds changes that no backup
/// holds, and since when.
struct VolumeObserver: Sendable {
    /// A change of nothing but the change counter is reported at most this often.
    private static let transidInterval: Int64 = 60_000

    let ledger: Ledger
    let storage: Storage
    let runtimes: Runtimes

    /// Looks at one volume and reports what is new; a volume that is not here is no news.
    func observe(_ project: ProjectID) async throws {
        guard storage.trouble == nil, let record = try await ledger.volume(project),
            record.isPresent, let now = try await observation(of: record)
        else { return }
        if isNews(now, record.reported) { try await ledger.reportObservation(now) }
    }

    /// Looks at all volumes and reports what is new.
    func observeAll() async throws {
        for record in try await ledger.volumes() where record.isPresent {
            try await observe(record.project)
        }
    }

    /// Reports everything that is here, in one document; nothing while the file system is not
    /// certain, because an empty list would say that all is gone.
    func reportInventory() async throws {
        guard let filesystem = storage.filesystem else { return }
        var found: [VolumeObservation] = []
        for record in try await ledger.volumes() where record.isPresent {
            if let now = try await observation(of: record) { found.append(now) }
        }
        // It may have become uncertain while it was looked at.
        guard await storage.check().now == .ready(filesystem) else { return }
        try await ledger.reportInventory(Inventory(filesystem: filesystem, volumes: found))
    }

    /// What is to be said of a volume; nil when its place is empty.
    func observation(of record: VolumeRecord) async throws -> VolumeObservation? {
        let files = try storage.files()
        let path = storage.layout.volume(record.project)
        guard try await files.exists(path) else { return nil }
        let info = try await files.info(path)
        let freshness = VolumeRules.freshness(
            transid: info.ctransid, subvolume: info.uuid, filesystem: files.filesystem,
            base: record.base)
        return VolumeObservation(
            project: record.project, generation: record.generation, transid: info.ctransid,
            coveredTransid: record.base?.coveredTransid, subvolume: info.uuid,
            freshness: freshness,
            firstChangeAt: freshness == .fresh ? nil : record.firstChangeAt ?? .now(),
            runtime: await runtimes.state(of: record.project), base: record.base?.backup.id,
            isFrozen: info.isReadOnly)
    }

    private func isNews(_ now: VolumeObservation, _ reported: VolumeObservation?) -> Bool {
        guard var reported else { return true }
        if now.transid != reported.transid, now.freshness == reported.freshness {
            // The counter of a busy volume rises with every commit.
            let isDue = lastTransidReport(now.project)
            if isDue { return true }
        }
        reported.transid = now.transid
        return now != reported
    }

    private func lastTransidReport(_ project: ProjectID) -> Bool {
        let now = UTCTime.now().millisecondsSinceEpoch
        return transidReports.withLock { times -> Bool in
            guard now - times[project, default: 0] >= Self.transidInterval else { return false }
            times[project] = now
            return true
        }
    }

    private let transidReports = Locked([ProjectID: Int64]())

    init(ledger: Ledger, storage: Storage, runtimes: Runtimes) {
        self.ledger = ledger
        self.storage = storage
        self.runtimes = runtimes
    }
}
