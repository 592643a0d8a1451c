import Platform

/// The claim floors of the lanes that this hub has given work out of.
final class LaneFloors: Sendable {
    private let lanes = Locked<[String: ClaimFloors]>([:])

    init() {}

    /// The floors of a lane; at most one for each host of the fleet.
    func floors(of lane: String) -> ClaimFloors {
        lanes.withLock { lanes in
            if let known = lanes[lane] { return known }
            let new = ClaimFloors()
            lanes[lane] = new
            return new
        }
    }
}
