/// Which packs go and which blobs are copied: a pure decision over a census.
struct PruneSelection: Sendable {
    /// Packs of which nothing is needed.
    private(set) var unused: [PackDescription] = []
    /// Packs to be copied from, with the blobs that are needed of them.
    private(set) var repacked: [(pack: PackDescription, blobs: [PackedBlob])] = []

    /// One pack as the decision sees it.
    private struct Candidate {
        let pack: PackDescription
        var needed: [PackedBlob] = []
        var neededBytes: Int64 { needed.reduce(0) { $0 + Int64($1.length) } }
        var isWhole: Bool { needed.count == pack.blobs.count }
        /// Bytes that go when the needed blobs are copied elsewhere.
        var wasteBytes: Int64 { pack.bytes - PackHeader.packBytes(of: needed) }
    }

    private struct Handle: Hashable {
        let id: BlobID
        let kind: BlobKind
    }

    /// - Parameters:
    ///   - census: what there is.
    ///   - eligible: the packs that may go; all others stay, and what they hold is taken from them.
    ///     Nil: every pack may.
    ///   - options: how thorough.
    init(_ census: RepositoryCensus, eligible: Set<BlobID>?, options: PruneOptions) {
        let packs = census.indexed.values.filter { census.present[$0.id] == $0.bytes }
        var homes: Set<Handle> = []
        var kept: [Candidate] = []
        var candidates: [Candidate] = []
        // What stays whatever happens is the first home of its blobs; then the packs of which most
        // is used, so that of a blob in several packs the copy in the emptier pack is the spare one.
        let order = packs.map { pack in
            let used = pack.blobs.lazy.filter(census.used.contains)
                .reduce(Int64(0)) { $0 + Int64($1.length) }
            return (
                pack: pack, mayGo: eligible?.contains(pack.id) ?? true,
                share: Double(used) / Double(max(1, pack.bytes)), used: used
            )
        }.sorted { left, right in
            if left.mayGo != right.mayGo { return !left.mayGo }
            if left.share != right.share { return left.share > right.share }
            return (left.used, right.pack.id) > (right.used, left.pack.id)
        }
        for entry in order {
            var candidate = Candidate(pack: entry.pack)
            candidate.needed = entry.pack.blobs.filter { blob in
                census.used.contains(blob)
                    && homes.insert(Handle(id: blob.id, kind: blob.kind)).inserted
            }
            if !entry.mayGo {
                kept.append(candidate)
            } else if candidate.needed.isEmpty {
                unused.append(entry.pack)
            } else {
                candidates.append(candidate)
            }
        }
        choose(from: candidates, kept: kept, options: options)
    }

    /// Chooses what to copy: packs of trees that hold anything unused, packs of data beginning with
    /// the emptiest until little enough is wasted, and small packs where there are many.
    private mutating func choose(
        from candidates: [Candidate], kept: [Candidate], options: PruneOptions
    ) {
        var chosen: Set<BlobID> = []
        let usedBytes = (candidates + kept).reduce(0) { $0 + $1.neededBytes }
        let allowed = usedBytes / 1000 * Int64(options.unusedPermille)
        var waste = (candidates + kept).reduce(0) { $0 + ($1.isWhole ? 0 : $1.wasteBytes) }
        let partly = candidates.filter { !$0.isWhole }
            .sorted { left, right in
                let (leftKind, rightKind) = (Self.kind(left.pack), Self.kind(right.pack))
                if leftKind != rightKind { return leftKind == .tree }
                let leftShare = Double(left.wasteBytes) / Double(left.pack.bytes)
                let rightShare = Double(right.wasteBytes) / Double(right.pack.bytes)
                return (leftShare, right.pack.id) > (rightShare, left.pack.id)
            }
        for candidate in partly where waste > allowed || Self.kind(candidate.pack) == .tree {
            chosen.insert(candidate.pack.id)
            waste -= candidate.wasteBytes
        }
        for kind in BlobKind.allCases {
            let small = candidates.filter {
                Self.kind($0.pack) == kind && $0.pack.bytes < options.smallPackBytes
            }
            guard small.count >= options.smallPackCount else { continue }
            chosen.formUnion(small.map(\.pack.id))
        }
        repacked = candidates.filter { chosen.contains($0.pack.id) }
            .map { (pack: $0.pack, blobs: $0.needed) }
    }

    private static func kind(_ pack: PackDescription) -> BlobKind {
        pack.blobs.first?.kind ?? .data
    }
}
