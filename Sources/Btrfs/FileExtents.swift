/// Where the bytes of a file are on the disk, as its extent items say.
///
/// Two files of read-only snapshots that map a range to the same bytes have the same content there,
/// as long as both snapshots exist: nothing shared is overwritten in place, not even without
/// copy on write.
public struct FileExtents: Sendable, Hashable {
    /// A range of the file and what it is mapped to.
    struct Segment: Sendable, Hashable {
        enum Source: Sendable, Hashable {
            /// A hole, or room that was reserved and never written.
            case zeros
            /// An extent on the disk; `shift` is the extent's offset at the file's offset 0.
            case disk(address: UInt64, length: UInt64, shift: UInt64, encoding: UInt32)
            /// The content itself, within the item.
            case inline([UInt8])
        }

        let start: Int64
        let end: Int64
        let source: Source
        /// The transaction that wrote the extent.
        let transid: UInt64

        /// struct btrfs_file_extent_item: generation (8), ram_bytes (8), compression (1),
        /// encryption (1), other (2), type (1), then the content, or address (8), length (8),
        /// offset (8), bytes (8).
        init(_ offset: UInt64, _ item: ArraySlice<UInt8>) {
            start = Int64(clamping: offset)
            transid = item.number(at: 0, as: UInt64.self)
            let encoding = item.number(at: 16, as: UInt32.self)
            let length: UInt64
            switch item.number(at: 20, as: UInt8.self) {
            case 0:
                length = item.number(at: 8, as: UInt64.self)
                source = .inline(item.bytes(at: 8, count: 13) + item.bytes(at: 21, count: .max))
            case 1 where item.number(at: 21, as: UInt64.self) != 0:
                length = item.number(at: 45, as: UInt64.self)
                source = .disk(
                    address: item.number(at: 21, as: UInt64.self),
                    length: item.number(at: 29, as: UInt64.self),
                    shift: item.number(at: 37, as: UInt64.self) &- offset, encoding: encoding)
            default:
                length = item.number(at: 45, as: UInt64.self)
                source = .zeros
            }
            end = start + Int64(clamping: min(length, UInt64(Int64.max - start)))
        }
    }

    /// Ascending, without overlap; what lies between them is a hole.
    private let segments: [Segment]

    init(_ segments: [Segment]) {
        self.segments = segments
    }

    /// The ranges below `sizeBytes` whose content may differ from that of another file, ascending.
    ///
    /// - Parameters:
    ///   - other: a file of another snapshot that exists too.
    ///   - sizeBytes: up to where the two are compared.
    ///   - transid: when the other snapshot was taken; only for `guards`.
    public func changes(
        from other: FileExtents, sizeBytes: Int64, since transid: UInt64 = 0,
        guards: DetectionGuards = .all
    ) -> [Range<Int64>] {
        var changes: [Range<Int64>] = []
        var position: Int64 = 0
        var (mine, theirs) = (0, 0)
        while position < sizeBytes {
            while mine < segments.count, segments[mine].end <= position { mine += 1 }
            while theirs < other.segments.count, other.segments[theirs].end <= position {
                theirs += 1
            }
            let left = Self.part(segments, mine, position)
            let right = Self.part(other.segments, theirs, position)
            let end = min(left.end, right.end, sizeBytes)
            let isSame =
                guards.contains(.extents)
                ? left.source == right.source
                : mine >= segments.count || segments[mine].start > position
                    || segments[mine].transid < transid
            if !isSame {
                if let last = changes.last, last.upperBound == position {
                    changes[changes.count - 1] = last.lowerBound..<end
                } else {
                    changes.append(position..<end)
                }
            }
            position = end
        }
        return changes
    }

    /// What lies at a position, and up to where; `index` is that of the first segment that ends
    /// behind it.
    private static func part(
        _ segments: [Segment], _ index: Int, _ position: Int64
    ) -> (source: Segment.Source, end: Int64) {
        guard index < segments.count else { return (.zeros, .max) }
        let segment = segments[index]
        guard segment.start <= position else { return (.zeros, segment.start) }
        return (segment.source, segment.end)
    }
}
