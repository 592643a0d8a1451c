import Platform
import Repository

/// Passes blobs on and notes every one of them, known ones too: at the end it knows what the backup
/// reaches, without reading a single tree.
struct RecordingSink: BlobSink {
    private let next: any BlobSink
    private let seen = Locked(KnownBlobs())

    init(_ next: any BlobSink) {
        self.next = next
    }

    /// Every blob that was prepared.
    var blobs: KnownBlobs { seen.withLock { $0 } }

    func prepare(_ plaintext: [UInt8], kind: BlobKind) throws -> PreparedBlob {
        let blob = try next.prepare(plaintext, kind: kind)
        seen.withLock { seen -> Void in seen.insert(blob.id, kind) }
        return blob
    }

    func add(_ blob: PreparedBlob) async throws {
        try await next.add(blob)
    }
}
