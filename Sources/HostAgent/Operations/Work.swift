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
        guard let record = try await ledger.volume(volume.project), record.isPresent else {
            throw Failure(
                code: "volume-missing",
                message: "project \(volume.project) has no volume on this host",
                hint: "start the project, which restores it")
        }
        guard try await files.exists(layout.volume(volume.project)) else {
            throw Failure(
                code: "volume-missing",
                message: "the volume of project \(volume.project) is gone from "
                    + layout.volume(volume.project),
                hint: "somebody removed it; restore it from its last backup")
        }
        guard record.generation == volume.generation else {
            throw Failure(
                code: "volume-outdated",
                message: "the volume of project \(volume.project) is of generation "
                    + "\(record.generation), and the order is of \(volume.generation)",
                hint: "the volume was placed elsewhere meanwhile; restore it here first")
        }
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
