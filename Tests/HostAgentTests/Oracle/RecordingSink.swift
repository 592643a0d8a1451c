import Platform
import Repository

@testable import HostAgent

/// Passes blobs on and notes every one of them, known ones too: at the end it knows what the backup
/// reaches.
struct RecordingSink: BlobSink {
    private let next: any BlobSink
    private let spool: TreeSpool?
    private let seen = Locked(KnownBlobs())

    /// - Parameters:
    ///   - next: where the blobs go.
    ///   - spool: what keeps the trees.
    init(_ next: any BlobSink, spool: TreeSpool? = nil) {
        self.next = next
        self.spool = spool
    }

    /// Every blob that was prepared.
    var blobs: KnownBlobs { seen.withLock { $0 } }

    func prepare(_ plaintext: [UInt8], kind: BlobKind) throws -> PreparedBlob {
        let blob = try next.prepare(plaintext, kind: kind)
        spool?.note(plaintext, blob)
        seen.withLock { seen -> Void in seen.insert(blob.id, kind) }
        return blob
    }

    func add(_ blob: PreparedBlob) async throws {
        try await next.add(blob)
    }

    func add(_ blobs: [PreparedBlob]) async throws {
        try await next.add(blobs)
    }
}
