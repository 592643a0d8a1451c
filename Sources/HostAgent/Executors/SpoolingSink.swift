import Repository

/// Passes blobs on and keeps the trees in a spool, known ones too: of them and the snapshot the
/// cache of the base is made, without reading a single tree from the bucket.
struct SpoolingSink: BlobSink {
    private let next: any BlobSink
    private let spool: TreeSpool

    /// - Parameters:
    ///   - next: where the blobs go.
    ///   - spool: what keeps the trees.
    init(_ next: any BlobSink, spool: TreeSpool) {
        self.next = next
        self.spool = spool
    }

    func prepare(_ plaintext: [UInt8], kind: BlobKind) throws -> PreparedBlob {
        let blob = try next.prepare(plaintext, kind: kind)
        spool.note(plaintext, blob)
        return blob
    }

    func add(_ blob: PreparedBlob) async throws {
        try await next.add(blob)
    }

    func add(_ blobs: [PreparedBlob]) async throws {
        try await next.add(blobs)
    }
}
