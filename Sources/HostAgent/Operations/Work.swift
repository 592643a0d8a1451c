import Platform
import Shared

/// One operation that is worked on, with everything that executors need.
struct Work: Sendable {
    let operation: OperationID
    let epoch: Int64
    let progress: ProgressReporter
    let host: Host

    /// What all operations of a host share.
    struct Host: Sendable {
        let id: HostID
        let directory: DataDirectory
        let hub: HubClient
        let ledger: Ledger
        let storage: Storage
        let runtimes: Runtimes
        let observer: VolumeObserver
        let gate: ProjectGate
        let bases: BaseCaches
        let pool: BlockingPool
        let logger: Logger
    }

    var ledger: Ledger { host.ledger }
    var hub: HubClient { host.hub }
    var layout: VolumeLayout { host.storage.layout }

    /// The volume that an order is about, which must be here and be of the order's generation.
    ///
    /// - Throws: `Failure` with code `volume-missing` or `volume-outdated`.
    func record(of volume: VolumeReference) async throws -> VolumeRecord {
        let files = try host.storage.files()
        let record = try await ledger.volume(volume.project)
        let path = layout.volume(volume.project)
        let exists = record?.isPresent == true ? try await files.exists(path) : false
        if let refusal = VolumeRules.refusal(of: volume, record, at: path, exists: exists) {
            throw refusal
        }
        guard let record else { throw AgentError(.ledger, "a volume has no record") }
        return record
    }
}

extension Work.Host {
    /// What the host says of itself with every heartbeat.
    func status() async -> HostStatus {
        let space = await storage.space()
        return HostStatus(
            agentVersion: AgentVersion.text, filesystem: storage.filesystem,
            freeBytes: space.freeBytes, totalBytes: space.totalBytes,
            // A ledger that cannot be read ends the agent elsewhere.
            outboxPending: (try? await ledger.outboxCount()) ?? 0, trouble: storage.trouble)
    }
}
