import Postgres
import Shared

/// Finds out that the database went back in time, by what a host has seen of it, and brings the
/// fleet back: nothing is deleted, and no order is obeyed or refused for ever.
///
/// The new history gives out higher fencing numbers than any host has seen, does not wait for
/// reports that the lost one had, and gives a host no orders before it has told what it holds. What
/// it holds decides where the restored registry is behind.
struct HistoryRecovery: Sendable {
    private let transaction: PostgresTransaction
    private let store: HistoryStore

    init(_ transaction: PostgresTransaction) {
        self.transaction = transaction
        store = HistoryStore(transaction)
    }

    /// Compares what an agent has seen of a history with what the database knows.
    func compare(
        _ request: OpenSessionRequest, host: HostID, _ ledger: inout InboxStore.Ledger
    ) async throws {
        let epoch = request.highestEpoch ?? 0
        let reported = request.acknowledgedReport ?? 0
        let isAhead = try await epoch > store.lastEpoch()
        let hasSeenOther = try await isLost(request)
        guard isAhead || reported > ledger.applied || hasSeenOther else { return }
        // An agent that knows an earlier history has told of the loss already, or another one did.
        let history = try await store.lock()
        let isLost = try await isLost(request)
        if history == request.timeline || isLost {
            try await store.begin(lost: request.timeline)
        }
        try await store.raiseEpoch(above: epoch)
        if reported > ledger.applied {
            try await store.skipReports(of: request.ledger, of: host, through: reported)
            ledger.applied = reported
        }
    }

    /// Whether the agent knows a history, or an entry of this one's log, that the database does not,
    /// whatever numbers it has given out since.
    private func isLost(_ request: OpenSessionRequest) async throws -> Bool {
        if let timeline = request.timeline, try await !store.knows(timeline) { return true }
        guard let head = request.logHead else { return false }
        return try await !store.knows(head)
    }

    /// A host has told all that it holds.
    ///
    /// Volumes of a higher generation than their placement prove that the project was placed there
    /// in the history that is lost: they are taken for what they are, unless the volume that the
    /// registry knows of takes changes. Then both are kept, and a person decides (D4).
    func arrived(
        _ inventory: Inventory, from host: HostID, at time: Timestamp, in change: inout Change
    ) async throws {
        guard try await store.isAwaited(host) else { return }
        let volumes = VolumeReportStore(transaction)
        let placements = try await volumes.placements(
            of: inventory.volumes.map(\.project).sorted())
        for volume in inventory.volumes {
            guard let placement = placements[volume.project], !placement.isDeleted,
                !placement.isGuarded, volume.generation > placement.generation
            else { continue }
            if let placed = placement.host, placed != host {
                // The host that the registry knows of has its say first.
                if try await store.isAwaited(placed) { continue }
                if try await store.isLive(volume.project, on: placed) { continue }
            }
            try await adopt(volume.project, host: host, volume.generation, in: &change)
            try await VolumeReports(host: host).apply(volume, at: time, in: &change)
        }
        try await store.arrived(host)
        for found in try await store.candidates(placedOn: host) {
            try await adopt(found.project, host: found.host, found.generation, in: &change)
            try await volumes.release(found.project, host: found.host)
        }
        change.lanes.insert(host.uuid)
    }

    private func adopt(
        _ project: ProjectID, host: HostID, _ generation: Int64, in change: inout Change
    ) async throws {
        try await change.record(
            .placementAdopted(
                PlacementAdopted(project: project, host: host, generation: generation)))
    }
}
