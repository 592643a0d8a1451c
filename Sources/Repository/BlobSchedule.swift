/// In which order groups of blobs are cheapest to load, and what can be fetched ahead for them.
public struct BlobSchedule: Sendable {
    /// Something to fetch before blobs are loaded, in one piece.
    public struct Fetch: Sendable {
        /// Where in `order` the first group is that needs it.
        let position: Int
        /// The source's own number of the piece.
        let piece: Int
    }

    /// The groups' positions, in the order of loading.
    let order: [Int]
    /// By `position`, ascending.
    let fetches: [Fetch]

    /// Loads groups as they come, and fetches nothing ahead.
    static func plain(_ count: Int) -> BlobSchedule {
        BlobSchedule(order: Array(0..<count), fetches: [])
    }
}
