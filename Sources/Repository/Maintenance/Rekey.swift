import ObjectStore

/// Copies all that a repository's snapshots need into a repository with another key: what to do
/// when a key is known to somebody who should not have it, for nothing else takes it from them.
///
/// Every blob is opened, verified and sealed anew; trees and so root tree ids stay the same. It may
/// be cut short anywhere and repeated: what is there already is not copied again.
public struct Rekey: Sendable {
    private let old: OpenRepository
    private let new: OpenRepository

    /// An index file is written after so many bytes, so that a repetition knows what is there.
    private static let checkpointBytes: Int64 = 1 << 30

    /// - Parameters:
    ///   - old: where from; nothing of it changes.
    ///   - new: where to; made with the same chunker polynomial, or later backups would not find
    ///     their chunks again.
    /// - Throws: `RepositoryError` with the code `invalidInput` for another polynomial or the same
    ///   key.
    public init(from old: OpenRepository, to new: OpenRepository) throws {
        guard old.config.polynomial == new.config.polynomial, !old.key.matches(new.key) else {
            throw RepositoryError(
                code: .invalidInput,
                message: "the new repository must have the old one's polynomial and another key")
        }
        (self.old, self.new) = (old, new)
    }

    /// What was copied.
    public struct Report: Sendable {
        /// The new name of every snapshot.
        public internal(set) var snapshots: [BlobID: BlobID] = [:]
        /// Blobs that were copied now.
        public internal(set) var copiedBlobs = 0
        /// Bytes of the packs that were written now.
        public internal(set) var writtenBytes: Int64 = 0
    }

    /// The same under restic's exclusive lock of the old repository, so that nothing is removed
    /// from it meanwhile.
    ///
    /// - Throws: as `run`, and `locked`.
    @concurrent public func runAlone(
        progress: @escaping @Sendable (Int, Int) -> Void = { _, _ in }
    ) async throws -> Report {
        try await RepositoryRepair(old, hostname: "berth-rekey.invalid").exclusively {
            try await run(progress: progress)
        }
    }

    /// Copies what is not there yet.
    ///
    /// - Parameter progress: told after each pack: how many, of how many.
    /// - Throws: `RepositoryError`: `missing` or `corrupt` naming what is damaged in the old
    ///   repository, `store`.
    @concurrent public func run(
        progress: @Sendable (Int, Int) -> Void = { _, _ in }
    ) async throws -> Report {
        var census = RepositoryCensus()
        try await census.take(of: old)
        try census.requireUsedBlobs(in: census.indexed)
        let there = try await new.loadIndex()
        let selection = RekeySelection(census, there: there)
        var report = Report()
        var writer = newWriter()
        var sinceCheckpoint: Int64 = 0
        for (count, source) in selection.packs.enumerated() {
            try Task.checkCancellation()
            for blob in try await old.sealedBlobs(source.blobs, of: source.pack) {
                try await writer.add(try resealed(blob))
            }
            report.copiedBlobs += source.blobs.count
            sinceCheckpoint += source.pack.bytes
            if sinceCheckpoint >= Self.checkpointBytes {
                report.writtenBytes += try await publish(writer)
                writer = newWriter()
                sinceCheckpoint = 0
            }
            progress(count + 1, selection.packs.count)
        }
        report.writtenBytes += try await publish(writer)
        report.snapshots = try await copySnapshots(census.snapshots)
        return report
    }

    private func newWriter() -> PackWriter { PackWriter(store: new.store, codec: new.codec) }

    private func publish(_ writer: PackWriter) async throws -> Int64 {
        let packs = try await writer.finish()
        guard !packs.isEmpty else { return 0 }
        try await new.verifyPackHeaders(packs)
        _ = try await new.writeIndex(packs)
        return packs.reduce(0) { $0 + $1.bytes }
    }

    /// The same payload, compressed or not, under the new key; it was verified when it was read.
    private func resealed(_ blob: PreparedBlob) throws -> PreparedBlob {
        let payload = try old.codec.sealer.open(blob.sealed ?? [], object: "blob \(blob.id)")
        return PreparedBlob(
            id: blob.id, kind: blob.kind, sealed: try new.codec.sealer.seal(payload),
            plaintextBytes: blob.plaintextBytes, isCompressed: blob.isCompressed)
    }

    /// Writes the snapshots, parents first, so that each can name its own.
    private func copySnapshots(
        _ snapshots: [BlobID: SnapshotFile]
    ) async throws -> [BlobID: BlobID] {
        var there = try await new.snapshots()
        var names: [BlobID: BlobID] = [:]
        for (id, file) in snapshots.sorted(by: { ($0.value.time, $0.key) < ($1.value.time, $1.key) }
        ) {
            var copy = file
            copy.parent = file.parent.flatMap { names[$0] }
            if let known = there.firstIndex(where: { $0.file == copy }) {
                names[id] = there.remove(at: known).id
            } else {
                names[id] = try await new.writeSnapshot(copy)
            }
        }
        return names
    }
}

/// What is to be copied of each pack.
private struct RekeySelection {
    private(set) var packs: [(pack: PackDescription, blobs: [PackedBlob])] = []

    init(_ census: RepositoryCensus, there: RepositoryIndex) {
        var seen: [BlobKind: Set<BlobID>] = [:]
        for pack in census.indexed.values.sorted(by: { $0.id < $1.id })
        where census.present[pack.id] == pack.bytes {
            let blobs = pack.blobs.filter { blob in
                census.used.contains(blob) && !there.contains(blob.id, kind: blob.kind)
                    && seen[blob.kind, default: []].insert(blob.id).inserted
            }
            if !blobs.isEmpty { packs.append((pack, blobs)) }
        }
    }
}
