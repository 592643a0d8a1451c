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
            let generation = one.volume.generation
            switch VolumeVerdict.of(generation: generation, on: host, placements[project]) {
            case .belongs: placed.append(one)
            case .isGuarded(let isAhead): if isAhead { ahead.append(one) }
            case .isQuarantined(let reason):
                try await store.quarantine(
                    project, generation: generation, host: host, reason: reason)
            }
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
        guard let placement = try await store.placement(of: project),
            VolumeVerdict.concerns(placement, goneFrom: host)
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
        _ project: ProjectID, _ placement: VolumePlacement, _ isProvisioned: Bool,
        in change: inout Change
    ) async throws {
        try await change.record(
            .placementProvisioned(
                PlacementProvisioned(
                    project: project, host: host, generation: placement.generation,
                    isProvisioned: isProvisioned)))
    }
}
