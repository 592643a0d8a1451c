import Postgres
import Shared

/// What a host's reports on its volumes change: what is known of projects placed there, and the
/// quarantine of volumes that do not belong there (D4).
struct VolumeReports: Sendable {
    let host: HostID

    /// Applies one observation.
    func apply(
        _ observation: VolumeObservation, at time: Timestamp, in change: inout Change
    ) async throws {
        let store = VolumeReportStore(change.transaction)
        let placement = try await store.placement(of: observation.project)
        if let placement, placement.host == host,
            placement.generation == observation.generation, !placement.isDeleted
        {
            try await store.observe(observation, host: host, at: time)
            try await store.release(observation.project, host: host)
            if placement.isProvisioned != true {
                try await provisioned(observation.project, placement, true, in: &change)
            }
            return
        }
        // A move, restore or deletion under way knows what it does there.
        if let placement, placement.isGuarded { return }
        try await store.quarantine(
            observation.project, generation: observation.generation, host: host,
            reason: reason(placement, observation.generation))
    }

    /// A volume is not here any more.
    func gone(_ project: ProjectID, in change: inout Change) async throws {
        let store = VolumeReportStore(change.transaction)
        try await store.release(project, host: host)
        guard let placement = try await store.placement(of: project), placement.host == host,
            !placement.isDeleted
        else { return }
        try await store.forget(project, host: host)
        if placement.isProvisioned != false {
            try await provisioned(project, placement, false, in: &change)
        }
    }

    /// Replaces all that was reported before; a scan that failed or was partial is never sent.
    func apply(_ inventory: Inventory, at time: Timestamp, in change: inout Change) async throws {
        let store = VolumeReportStore(change.transaction)
        let present = Set(inventory.volumes.map(\.project))
        for observation in inventory.volumes {
            try await apply(observation, at: time, in: &change)
        }
        for project in try await store.known(at: host) where !present.contains(project) {
            try await gone(project, in: &change)
        }
    }

    private func provisioned(
        _ project: ProjectID, _ placement: VolumeReportStore.Placement, _ isProvisioned: Bool,
        in change: inout Change
    ) async throws {
        try await change.record(
            .placementProvisioned(
                PlacementProvisioned(
                    project: project, host: host, generation: placement.generation,
                    isProvisioned: isProvisioned)))
    }

    private func reason(_ placement: VolumeReportStore.Placement?, _ generation: Int64) -> String {
        guard let placement else { return "no project with this identity is known" }
        if placement.isDeleted { return "the project was deleted" }
        if placement.host != host { return "the project is placed on another host" }
        return "the project is placed here with generation \(placement.generation), "
            + "and the volume has \(generation)"
    }
}
