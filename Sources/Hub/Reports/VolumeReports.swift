import Postgres
import Shared

/// What a host's reports on its volumes change: what is known of projects placed there, and the
/// quarantine of volumes that do not belong there (D4).
struct VolumeReports: Sendable {
    let host: HostID

    /// What was seen of a volume, and when.
    struct Observed: Sendable {
        var volume: VolumeObservation
        var time: Timestamp
    }

    /// Applies one observation.
    func apply(
        _ observation: VolumeObservation, at time: Timestamp, in change: inout Change
    ) async throws {
        try await apply([Observed(volume: observation, time: time)], in: &change)
    }

    /// Applies observations that follow each other; of several of one volume the last one counts,
    /// because each tells all that there is.
    func apply(_ observed: [Observed], in change: inout Change) async throws {
        var last: [ProjectID: Observed] = [:]
        for one in observed { last[one.volume.project] = one }
        guard !last.isEmpty else { return }
        let projects = last.keys.sorted()
        let store = VolumeReportStore(change.transaction)
        let placements = try await store.placements(of: projects)
        var placed: [Observed] = []
        var ahead: [Observed] = []
        for project in projects {
            guard let one = last[project] else { continue }
            let placement = placements[project]
            if let placement, placement.host == host,
                placement.generation == one.volume.generation, !placement.isDeleted
            {
                placed.append(one)
                continue
            }
            // A move, restore or deletion under way knows what it does there. What is said of the
            // generation that it makes is kept: it counts from the placement's change on, and the
            // host does not say it again.
            if let placement, placement.isGuarded {
                if one.volume.generation == placement.generation + 1, !placement.isDeleted {
                    ahead.append(one)
                }
                continue
            }
            try await store.quarantine(
                project, generation: one.volume.generation, host: host,
                reason: reason(placement, one.volume.generation))
        }
        guard !placed.isEmpty || !ahead.isEmpty else { return }
        try await store.observe(placed + ahead, host: host)
        for one in placed {
            if let placement = placements[one.volume.project], placement.isProvisioned != true {
                try await provisioned(one.volume.project, placement, true, in: &change)
            }
        }
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
        try await apply(
            inventory.volumes.map { Observed(volume: $0, time: time) }, in: &change)
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
