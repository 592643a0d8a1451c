public import ObjectStore
import Platform

/// Writes the new blobs of one run into packs and the packs into a store; verified before, durable
/// after.
///
/// Many tasks may prepare and add at once. Two packs of each kind are open, and each blob goes into
/// one of them at random, so that the lengths of packs say less about the lengths of chunks
/// (restic issue #5291). A full pack is sealed, verified and stored by the task whose blob filled
/// it: at most `packsInFlight` are being stored at once, while as many more are sealed and verified
/// or wait for their turn; further tasks wait in `add`. So have one more task adding than
/// processors, and the store is kept busy while the others work on.
///
/// After a failure every further `add` and `finish` throws the same error: the run is over.
public actor PackWriter: BlobSink {
    /// What a run has written.
    public struct Statistics: Sendable, Equatable {
        /// New blobs of files.
        public var dataBlobs = 0
        /// New blobs of directories.
        public var treeBlobs = 0
        /// Bytes of the plaintexts of all new blobs.
        public var addedBytes: Int64 = 0
        /// Bytes of all new blobs as they are stored.
        public var packedBytes: Int64 = 0
        /// Packs that are durable.
        public var packs = 0

        /// Nothing written yet.
        public init() {}
    }

    /// Options of a run.
    public struct Options: Sendable {
        /// A pack is full when it holds so many bytes; default 16 MiB, 1 to 128 MiB.
        public var packBytes: Int
        /// How many full packs may be on their way to the store at once; default 2, at least 1.
        public var packsInFlight: Int

        /// - Parameters:
        ///   - packBytes: a pack is full when it holds so many bytes.
        ///   - packsInFlight: how many full packs may be on their way at once.
        public init(packBytes: Int = 16 << 20, packsInFlight: Int = 2) {
            self.packBytes = min(max(packBytes, 1 << 20), 128 << 20)
            self.packsInFlight = max(packsInFlight, 1)
        }
    }

    private let store: any ObjectStorage
    private let codec: BlobCodec
    private let options: Options
    private let isKnown: @Sendable (BlobID, BlobKind) -> Bool
    private let packIsDurable: @Sendable (PackDescription) async throws -> Void
    /// What this run has taken already; read by `prepare` on any thread.
    private let taken = Locked(Set<BlobHandle>())

    private var open: [BlobKind: [PackBuilder]] = [:]
    /// Random bits that are left, below a one that marks their end.
    private var coins: UInt64 = 1
    /// Packs that are full and not durable yet.
    private var full = 0
    /// Those of them that are being stored.
    private var inFlight = 0
    private var waiting: [CheckedContinuation<Void, Never>] = []
    private var failure: (any Error)?
    private var packs: [PackDescription] = []
    private var statistics = Statistics()

    private struct BlobHandle: Hashable {
        let id: BlobID
        let kind: BlobKind
    }

    /// - Parameters:
    ///   - store: the repository's store.
    ///   - codec: the repository's codec.
    ///   - options: sizes and limits.
    ///   - isKnown: whether a blob is already reachable from the pinned base or uploaded by this
    ///     operation, so that it need not be stored; called from any thread.
    ///   - packIsDurable: called after each pack is durable and before it counts, to be journaled;
    ///     what it throws ends the run.
    public init(
        store: any ObjectStorage, codec: BlobCodec, options: Options = Options(),
        isKnown: @escaping @Sendable (BlobID, BlobKind) -> Bool = { _, _ in false },
        packIsDurable: @escaping @Sendable (PackDescription) async throws -> Void = { _ in }
    ) {
        self.store = store
        self.codec = codec
        self.options = options
        self.isKnown = isKnown
        self.packIsDurable = packIsDurable
    }

    /// Hashes, and where the blob is new compresses and seals it.
    ///
    /// - Throws: `RepositoryError`: `library`, or `limitExceeded` for a blob beyond 512 MiB.
    public nonisolated func prepare(_ plaintext: [UInt8], kind: BlobKind) throws -> PreparedBlob {
        let id = try codec.id(of: plaintext)
        let handle = BlobHandle(id: id, kind: kind)
        if isKnown(id, kind) || taken.withLock({ $0.contains(handle) }) {
            return PreparedBlob(
                id: id, kind: kind, sealed: nil, plaintextBytes: plaintext.count,
                isCompressed: false)
        }
        return try codec.encode(plaintext, id: id, kind: kind)
    }

    /// Takes a prepared blob; a blob that this run has taken before is dropped.
    ///
    /// When it fills a pack, the pack is stored before this returns.
    ///
    /// - Throws: `RepositoryError`: `verificationFailed`, or `store` with the store's error; what
    ///   `packIsDurable` throws.
    public func add(_ blob: PreparedBlob) async throws {
        guard let sealed = blob.sealed else {
            if let failure { throw failure }
            return
        }
        while full >= 2 * options.packsInFlight { await turn() }
        if let failure { throw failure }
        let handle = BlobHandle(id: blob.id, kind: blob.kind)
        guard taken.withLock({ $0.insert(handle).inserted }) else { return }
        count(blob, sealedBytes: sealed.count)
        if let full = place(blob, sealed: sealed) { try await write(full) }
    }

    /// The same for several, without a change of threads for each.
    public func add(_ blobs: [PreparedBlob]) async throws {
        for blob in blobs { try await add(blob) }
    }

    /// Stores what is still open and answers all packs of the run.
    ///
    /// - Throws: as `add`.
    public func finish() async throws -> [PackDescription] {
        for kind in BlobKind.allCases {
            for pack in merged(open.removeValue(forKey: kind) ?? []) { try await write(pack) }
        }
        while full > 0 { await turn() }
        if let failure { throw failure }
        return packs
    }

    /// What has been written so far.
    public func currentStatistics() -> Statistics { statistics }

    private func count(_ blob: PreparedBlob, sealedBytes: Int) {
        switch blob.kind {
        case .data: statistics.dataBlobs += 1
        case .tree: statistics.treeBlobs += 1
        }
        statistics.addedBytes += Int64(blob.plaintextBytes)
        statistics.packedBytes += Int64(sealedBytes)
    }

    /// Puts a blob into one of the two open packs; answers the pack that it filled.
    private func place(_ blob: PreparedBlob, sealed: [UInt8]) -> PackBuilder? {
        var pair = open.removeValue(forKey: blob.kind) ?? []
        while pair.count < 2 { pair.append(PackBuilder(kind: blob.kind)) }
        let choice = coin()
        pair[choice].append(blob, sealed: sealed)
        let isFull =
            pair[choice].byteCount >= options.packBytes
            || pair[choice].blobs.count >= PackBuilder.blobsLimit
        let full = isFull ? pair.remove(at: choice) : nil
        open[blob.kind] = pair
        return full
    }

    /// A random bit; asking the kernel for each blob would cost more than placing it.
    private func coin() -> Int {
        if coins == 1 { coins = UInt64.random(in: .min ... .max) | 1 << 63 }
        defer { coins >>= 1 }
        return Int(coins & 1)
    }

    /// At the end two small packs become one.
    private func merged(_ pair: [PackBuilder]) -> [PackBuilder] {
        var filled = pair.filter { !$0.blobs.isEmpty }
        guard filled.count == 2, let last = filled.last,
            filled.reduce(0, { $0 + $1.byteCount }) <= options.packBytes,
            filled.reduce(0, { $0 + $1.blobs.count }) <= PackBuilder.blobsLimit
        else { return filled }
        filled[0].append(last)
        filled.removeLast()
        return filled
    }

    private func write(_ pack: consuming PackBuilder) async throws {
        full += 1
        defer {
            full -= 1
            awaken()
        }
        do {
            let (description, pieces) = try await finished(consume pack)
            while inFlight >= options.packsInFlight { await turn() }
            if let failure { throw failure }
            inFlight += 1
            defer {
                inFlight -= 1
                awaken()
            }
            try await put(description, pieces)
            try await packIsDurable(description)
            packs.append(description)
            statistics.packs += 1
        } catch {
            if failure == nil { failure = error }
            throw error
        }
    }

    /// Waits until any pack has gone a step further or failed.
    private func turn() async {
        await withCheckedContinuation { waiting.append($0) }
    }

    private func awaken() {
        let awakened = waiting
        waiting = []
        awakened.forEach { $0.resume() }
    }

    @concurrent private nonisolated func finished(
        _ filled: consuming PackBuilder
    ) async throws -> (PackDescription, [[UInt8]]) {
        var pack = consume filled
        try pack.seal(with: codec.sealer)
        return (try pack.verify(with: codec), pack.pieces)
    }

    private nonisolated func put(_ pack: PackDescription, _ pieces: [[UInt8]]) async throws {
        _ = try await storing("store a pack") {
            try await store.put(try .pack(pack.id), .pieces(pieces, sha256: pack.id.bytes))
        }
    }
}
