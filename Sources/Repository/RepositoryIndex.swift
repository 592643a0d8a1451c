/// Where every blob of a repository is, in memory: 48 bytes for a blob and 8 to 16 to find it.
///
/// A value: built from index files, then read from any thread.
public struct RepositoryIndex: Sendable {
    /// One pack.
    public struct Pack: Sendable, Hashable {
        /// The pack's name.
        public let id: BlobID
        /// Its length in bytes, which follows from its blobs.
        public let bytes: Int64
        /// How many blobs it holds.
        public let blobCount: Int
    }

    /// Where a blob is.
    public struct Location: Sendable, Hashable {
        /// The pack.
        public let pack: Pack
        /// The blob in it.
        public let blob: PackedBlob
    }

    /// All packs, in the order they were added.
    public private(set) var packs: [Pack] = []
    private var entries: [Entry] = []
    /// Open addressing: a position in `entries` plus one, or zero.
    ///
    /// A power of two, at most 3/4 full.
    private var slots: [UInt32] = [UInt32](repeating: 0, count: 1024)
    private var packPositions: [BlobID: Int] = [:]
    /// Blobs that are in several packs: all places but the first.
    private var copies: [BlobID: [Entry]] = [:]

    private struct Entry: Sendable {
        let id: BlobID
        /// The pack's position; the highest bit is set for a tree.
        let packAndKind: UInt32
        let offset: UInt32
        let length: UInt32
        /// Zero where the blob is not compressed.
        let uncompressedLength: UInt32

        static let treeBit: UInt32 = 1 << 31
        var kind: BlobKind { packAndKind & Self.treeBit == 0 ? .data : .tree }
        var pack: Int { Int(packAndKind & ~Self.treeBit) }
    }

    /// An index of nothing.
    public init() {}

    /// An index of packs.
    public init(_ packs: [PackDescription]) {
        for pack in packs { insert(pack) }
    }

    /// How many different blobs there are.
    public var blobCount: Int { entries.count }

    /// Adds a pack and its blobs.
    ///
    /// A pack that is there already is passed over; of a blob that is in several packs the first is
    /// where it is found.
    public mutating func insert(_ pack: PackDescription) {
        guard packPositions[pack.id] == nil else { return }
        packPositions[pack.id] = packs.count
        let position = UInt32(packs.count)
        packs.append(Pack(id: pack.id, bytes: pack.bytes, blobCount: pack.blobs.count))
        for blob in pack.blobs { insert(blob, pack: position) }
    }

    /// Where a blob is; nil when no pack has it.
    public func location(of id: BlobID, kind: BlobKind) -> Location? {
        guard let entry = entry(of: id, kind: kind) else { return nil }
        return Location(pack: packs[entry.pack], blob: packed(entry))
    }

    /// Where else a blob is, which `location` does not say.
    public func furtherLocations(of id: BlobID, kind: BlobKind) -> [Location] {
        (copies[id] ?? []).filter { $0.kind == kind }.map {
            Location(pack: packs[$0.pack], blob: packed($0))
        }
    }

    /// Whether any pack has the blob.
    public func contains(_ id: BlobID, kind: BlobKind) -> Bool { entry(of: id, kind: kind) != nil }

    /// The pack of this name, if the index has it.
    public func pack(_ id: BlobID) -> Pack? { packPositions[id].map { packs[$0] } }

    /// Every blob once, with its place.
    public func forEach(_ body: (Location) throws -> Void) rethrows {
        for entry in entries {
            try body(Location(pack: packs[entry.pack], blob: packed(entry)))
        }
    }

    private func packed(_ entry: Entry) -> PackedBlob {
        PackedBlob(
            id: entry.id, kind: entry.kind, offset: entry.offset, length: entry.length,
            uncompressedLength: entry.uncompressedLength == 0 ? nil : entry.uncompressedLength)
    }

    private func entry(of id: BlobID, kind: BlobKind) -> Entry? {
        let found = slots[slot(of: id, kind: kind)]
        return found == 0 ? nil : entries[Int(found) - 1]
    }

    private mutating func insert(_ blob: PackedBlob, pack: UInt32) {
        if entries.count * 4 >= slots.count * 3 { grow() }
        let slot = slot(of: blob.id, kind: blob.kind)
        let entry = Entry(
            id: blob.id, packAndKind: blob.kind == .tree ? pack | Entry.treeBit : pack,
            offset: blob.offset, length: blob.length,
            uncompressedLength: blob.uncompressedLength ?? 0)
        guard slots[slot] == 0 else {
            copies[blob.id, default: []].append(entry)
            return
        }
        entries.append(entry)
        slots[slot] = UInt32(entries.count)
    }

    /// The slot that holds the blob, or the free one where it belongs.
    private func slot(of id: BlobID, kind: BlobKind) -> Int {
        let mask = slots.count - 1
        var slot = id.hashValue & mask
        while slots[slot] != 0 {
            let entry = entries[Int(slots[slot]) - 1]
            if entry.id == id, entry.kind == kind { return slot }
            slot = (slot + 1) & mask
        }
        return slot
    }

    private mutating func grow() {
        slots = [UInt32](repeating: 0, count: slots.count * 2)
        for (position, entry) in entries.enumerated() {
            slots[slot(of: entry.id, kind: entry.kind)] = UInt32(position + 1)
        }
    }
}
