/// Decides which chunks of a file's former state still hold, and where to cut anew.
///
/// The chunker begins anew at each boundary, so a chunk depends on nothing but the bytes within it:
/// one without a changed byte, whose end was not just the end of the file, is there again. Cutting
/// begins at the last boundary before a change and may stop as soon as it meets an old boundary.
struct ChunkPlan {
    enum Step: Equatable {
        /// The chunks at these indices of the former content.
        case reuse(Range<Int>)
        /// Chunks have to be cut from this offset on, until `resumes` says that one ends well.
        case cut(from: Int64)
        /// The file is complete.
        case done
    }

    private let boundaries: [Int64]
    private let changes: [Range<Int64>]
    private let sizeBytes: Int64
    private let formerBytes: Int64
    private var index = 0
    private var change = 0

    /// - Parameters:
    ///   - lengths: of the former chunks, in order.
    ///   - changes: where bytes differ below both sizes, ascending.
    ///   - sizeBytes: what the file's size is now.
    init(lengths: [Int64], changes: [Range<Int64>], sizeBytes: Int64) {
        var end: Int64 = 0
        var boundaries: [Int64] = [0]
        for length in lengths {
            end += length
            boundaries.append(end)
        }
        self.boundaries = boundaries
        formerBytes = end
        self.sizeBytes = sizeBytes
        let common = min(end, sizeBytes)
        var all = changes.map { min($0.lowerBound, common)..<min($0.upperBound, common) }
            .filter { !$0.isEmpty }
        if end != sizeBytes { all.append(common..<max(end, sizeBytes)) }
        self.changes = all
    }

    /// What comes next at the current boundary.
    mutating func next() -> Step {
        let position = boundaries[index]
        if position >= sizeBytes { return .done }
        let first = index
        while index + 1 < boundaries.count, holds(boundaries[index]..<boundaries[index + 1]) {
            index += 1
        }
        return index > first ? .reuse(first..<index) : .cut(from: position)
    }

    /// Whether the former chunk of this range is there again.
    private mutating func holds(_ range: Range<Int64>) -> Bool {
        guard range.upperBound <= sizeBytes else { return false }
        // The end of the file ended it; now there is more.
        if range.upperBound == formerBytes, sizeBytes > formerBytes { return false }
        while change < changes.count, changes[change].upperBound <= range.lowerBound { change += 1 }
        return change == changes.count || changes[change].lowerBound >= range.upperBound
    }

    /// Whether a chunk that was cut anew ends where `next` can go on.
    mutating func resumes(at end: Int64) -> Bool {
        var (low, high) = (index, boundaries.count)
        while low < high {
            let middle = (low + high) / 2
            if boundaries[middle] < end { low = middle + 1 } else { high = middle }
        }
        guard low < boundaries.count, boundaries[low] == end else { return false }
        index = low
        return true
    }
}
