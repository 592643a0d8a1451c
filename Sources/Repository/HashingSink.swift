/// A sink that keeps nothing: with it a `Backup` of a directory only computes the root tree's id,
/// which is the receipt of a restore.
public struct HashingSink: BlobSink {
    private let digests = InstancePool { ReusableDigest() }

    /// Makes a sink.
    public init() {}

    /// Hashes only.
    public func prepare(_ plaintext: [UInt8], kind: BlobKind) throws -> PreparedBlob {
        PreparedBlob(
            id: try digests.with { $0.id(of: plaintext) }, kind: kind, sealed: nil,
            plaintextBytes: plaintext.count, isCompressed: false)
    }

    /// Drops the blob.
    public func add(_ blob: PreparedBlob) async {}
}
