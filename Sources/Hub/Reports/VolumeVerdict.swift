import Shared

/// Where a project belongs, as a report on its volume finds it.
struct VolumePlacement: Sendable, Equatable {
    var host: HostID?
    var generation: Int64
    var isProvisioned: Bool?
    var isDeleted: Bool
    var isGuarded: Bool
}

/// What becomes of a host's report on a volume (D1, D4): pure.
enum VolumeVerdict: Sendable, Equatable {
    /// It belongs there: what the host says is known from now on.
    case belongs
    /// A move, restore or deletion under way knows what it does there. What is said of the
    /// generation that it makes is kept: it counts from the placement's change on, and the host does
    /// not say it again.
    case isGuarded(isAhead: Bool)
    /// It does not belong there, and is kept and shown.
    case isQuarantined(String)

    /// - Parameters:
    ///   - generation: the volume's.
    ///   - host: who reports it.
    ///   - placement: the project's; nil for a project that nobody knows.
    static func of(
        generation: Int64, on host: HostID, _ placement: VolumePlacement?
    ) -> VolumeVerdict {
        guard let placement else {
            return .isQuarantined("no project with this identity is known")
        }
        let isHere = placement.host == host
        if isHere, placement.generation == generation, !placement.isDeleted { return .belongs }
        if placement.isGuarded {
            return .isGuarded(
                isAhead: generation == placement.generation + 1 && !placement.isDeleted)
        }
        if placement.isDeleted { return .isQuarantined("the project was deleted") }
        if !isHere { return .isQuarantined("the project is placed on another host") }
        return .isQuarantined(
            "the project is placed here with generation \(placement.generation), "
                + "and the volume has \(generation)")
    }

    /// Whether the news that a volume is gone changes what is known of its project.
    static func concerns(_ placement: VolumePlacement?, goneFrom host: HostID) -> Bool {
        placement?.host == host && placement?.isDeleted == false
    }
}
