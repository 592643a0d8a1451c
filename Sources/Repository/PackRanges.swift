/// The ranges of packs that scheduled blobs lie in: what was fetched of them is held until each blob
/// was taken as often as it was named.
struct PackRanges {
    /// What lies so close together is fetched in one piece: a request costs as much as so many bytes.
    static let gapBytes: Int64 = 512 << 10
    /// Most of one piece, unless one blob is longer.
    static let pieceBytes: Int64 = 4 << 20

    /// So much is held at most: beyond it the oldest piece is let go, and its blobs come one by one.
    static let heldBytes = 96 << 20

    /// A piece of a pack.
    struct Range: Sendable {
        let pack: BlobID
        var bytes: Swift.Range<Int64>
        fileprivate var blobs: [BlobID]
        fileprivate var uses = 0
        /// Where in the schedule's order it is needed first.
        fileprivate var position: Int
        fileprivate var state = State.planned
        fileprivate var waiters: [CheckedContinuation<Void, Never>] = []
    }

    fileprivate enum State {
        case planned
        case beingFetched
        case fetched([UInt8])
    }

    /// What a caller that needs a range does next.
    enum Turn {
        case fetch(Range)
        /// Wait, then ask again.
        case wait
        case take(Range, [UInt8])
        /// It is not there: taken, let go, or not to be fetched.
        case none
    }

    private struct Wanted {
        let range: Int
        var uses: Int
    }

    private var ranges: [Int: Range] = [:]
    private var wanted: [BlobID: Wanted] = [:]
    private var last = 0
    private var held = 0

    /// Takes up groups of blobs.
    ///
    /// - Parameter locate: where a blob is; one that is nowhere is passed over.
    mutating func schedule(
        _ groups: [[BlobID]], locate: (BlobID) -> RepositoryIndex.Location?
    ) -> BlobSchedule {
        let firsts = groups.map { group in group.first.flatMap(locate) }
        var order = Array(groups.indices)
        order.sort { left, right in
            switch (firsts[left], firsts[right]) {
            case (let left?, let right?):
                (left.pack.id, left.blob.offset) < (right.pack.id, right.blob.offset)
            case (nil, let right): right != nil
            case (_, nil): false
            }
        }
        var uses: [BlobID: (count: Int, position: Int)] = [:]
        var places: [RepositoryIndex.Location] = []
        for (position, group) in order.enumerated() {
            for id in groups[group] {
                if let known = uses[id] {
                    uses[id] = (known.count + 1, known.position)
                } else if let place = locate(id) {
                    uses[id] = (1, position)
                    places.append(place)
                }
            }
        }
        let fetches = add(places, uses)
        return BlobSchedule(order: order, fetches: fetches.sorted { $0.position < $1.position })
    }

    /// Cuts the packs into pieces.
    private mutating func add(
        _ places: [RepositoryIndex.Location], _ uses: [BlobID: (count: Int, position: Int)]
    ) -> [BlobSchedule.Fetch] {
        let sorted = places.sorted {
            ($0.pack.id, $0.blob.offset) < ($1.pack.id, $1.blob.offset)
        }
        var added: [Int] = []
        for place in sorted {
            let (id, start) = (place.blob.id, Int64(place.blob.offset))
            let end = start + Int64(place.blob.length)
            let (count, position) = uses[id] ?? (0, 0)
            if wanted[id] != nil {
                // It is held for others already.
                wanted[id]?.uses += count
                ranges[wanted[id]?.range ?? 0]?.uses += count
                continue
            }
            if let number = added.last, let range = ranges[number], range.pack == place.pack.id,
                start <= range.bytes.upperBound + Self.gapBytes,
                end - range.bytes.lowerBound <= Self.pieceBytes
            {
                ranges[number]?.bytes = range.bytes.lowerBound..<max(range.bytes.upperBound, end)
                ranges[number]?.position = min(range.position, position)
            } else {
                last += 1
                added.append(last)
                ranges[last] = Range(
                    pack: place.pack.id, bytes: start..<end, blobs: [], position: position)
            }
            ranges[last]?.blobs.append(id)
            ranges[last]?.uses += count
            wanted[id] = Wanted(range: last, uses: count)
        }
        return added.compactMap { number in
            ranges[number].map { BlobSchedule.Fetch(position: $0.position, piece: number) }
        }
    }

    /// The range that a blob is in, if it was scheduled and not yet taken as often.
    func range(of id: BlobID) -> Int? { wanted[id]?.range }

    /// The turn of somebody who needs a range; whoever is told to fetch it answers with `settle`.
    mutating func turn(_ number: Int) -> Turn {
        guard let range = ranges[number] else { return .none }
        switch range.state {
        case .planned:
            ranges[number]?.state = .beingFetched
            held += range.bytes.count
            return .fetch(range)
        case .beingFetched: return .wait
        case .fetched(let bytes): return .take(range, bytes)
        }
    }

    /// Whether nobody has begun to fetch it.
    func isPlanned(_ number: Int) -> Bool {
        if case .planned = ranges[number]?.state { true } else { false }
    }

    /// Has somebody be resumed when a range that is being fetched is settled.
    mutating func wait(_ number: Int, _ waiter: CheckedContinuation<Void, Never>) {
        ranges[number]?.waiters.append(waiter)
    }

    /// Ends a fetch.
    ///
    /// - Parameter bytes: nil where it failed.
    mutating func settle(_ number: Int, _ bytes: [UInt8]?) {
        let waiters = ranges[number]?.waiters ?? []
        ranges[number]?.waiters = []
        if let bytes {
            ranges[number]?.state = .fetched(bytes)
        } else {
            release(number)
        }
        while held > Self.heldBytes,
            let oldest = ranges.keys.filter({ $0 != number && isFetched($0) }).min()
        {
            release(oldest)
        }
        waiters.forEach { $0.resume() }
    }

    /// Counts a use of each blob; what nobody needs any more is let go.
    mutating func use(_ ids: some Sequence<BlobID>) {
        for id in ids {
            guard let entry = wanted[id], entry.uses > 0 else { continue }
            wanted[id]?.uses -= 1
            ranges[entry.range]?.uses -= 1
            guard let range = ranges[entry.range], range.uses == 0 else { continue }
            // It ends with its fetch.
            if case .beingFetched = range.state { continue }
            release(entry.range)
        }
    }

    private func isFetched(_ number: Int) -> Bool {
        if case .fetched = ranges[number]?.state { true } else { false }
    }

    /// Lets a range go; its blobs are in none then.
    private mutating func release(_ number: Int) {
        guard let range = ranges.removeValue(forKey: number) else { return }
        if case .planned = range.state {} else { held -= range.bytes.count }
        for blob in range.blobs { wanted[blob] = nil }
    }
}
