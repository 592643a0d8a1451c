import ObjectStore

/// One blob as a pack's header and an index describe it.
public struct PackedBlob: Hashable, Sendable {
    /// SHA-256 of the plaintext.
    public let id: BlobID
    /// What it is.
    public let kind: BlobKind
    /// Where its sealed bytes begin in the pack.
    public let offset: UInt32
    /// How many sealed bytes there are.
    public let length: UInt32
    /// Length of the plaintext where the blob is compressed, else nil.
    public let uncompressedLength: UInt32?

    /// Makes one from its parts.
    public init(
        id: BlobID, kind: BlobKind, offset: UInt32, length: UInt32, uncompressedLength: UInt32?
    ) {
        self.id = id
        self.kind = kind
        self.offset = offset
        self.length = length
        self.uncompressedLength = uncompressedLength
    }

    /// Length of the plaintext in bytes.
    public var plaintextBytes: Int {
        uncompressedLength.map(Int.init) ?? Int(length) - Sealer.overheadBytes
    }
}

/// A pack and what is in it, in the order of its bytes.
public struct PackDescription: Hashable, Sendable {
    /// SHA-256 of the whole file.
    public let id: BlobID
    /// The length of the file.
    public let bytes: Int64
    /// The blobs, in the order of their offsets.
    public let blobs: [PackedBlob]

    /// Makes one from its parts.
    public init(id: BlobID, bytes: Int64, blobs: [PackedBlob]) {
        self.id = id
        self.bytes = bytes
        self.blobs = blobs
    }
}

extension PackDescription {
    /// The plaintext of the pack's header: its blobs in the shortest form there is.
    public var header: [UInt8] { PackHeader.encode(blobs) }

    /// A pack from the plaintext of its header.
    ///
    /// - Throws: `RepositoryError` with code `corrupt` where the header is none, or is not that of
    ///   a pack of this length.
    public init(id: BlobID, bytes: Int64, header: [UInt8]) throws {
        let object = "the header of pack \(id)"
        let blobs = try PackHeader.decode(header, object: object)
        guard PackHeader.packBytes(of: blobs) == bytes else {
            throw RepositoryError.corrupt(object, "it is not that of a pack of \(bytes) bytes")
        }
        self.init(id: id, bytes: bytes, blobs: blobs)
    }
}

/// A pack as its writer announces it, to be compared with what is stored.
public struct AnnouncedPack: Hashable, Sendable {
    /// SHA-256 of the whole file.
    public let id: BlobID
    /// The length of the file.
    public let bytes: Int64
    /// SHA-256 of the plaintext of its header.
    public let headerDigest: BlobID

    /// Makes one from its parts.
    public init(id: BlobID, bytes: Int64, headerDigest: BlobID) {
        self.id = id
        self.bytes = bytes
        self.headerDigest = headerDigest
    }

    /// What the writer of a pack announces.
    public init(_ pack: PackDescription) {
        self.init(id: pack.id, bytes: pack.bytes, headerDigest: BlobID(hashing: pack.header))
    }
}

/// The header at the end of a pack (restic design, "Pack Format"): an entry for each blob, sealed,
/// and the length of that as four little-endian bytes.
public enum PackHeader {
    /// Sealed headers are no longer than this; restic's limit too.
    public static let limitBytes = 16 << 20
    /// The four bytes after the sealed header.
    static let lengthBytes = 4
    static let plainEntryBytes = 37
    static let compressedEntryBytes = 41
    /// No blob's plaintext is longer than this: the largest chunk is 8 MiB, and a tree of that
    /// many bytes has a million entries.
    public static let blobLimitBytes = 512 << 20

    /// How many bytes blobs of these descriptions make as a pack: their own, the sealed header and
    /// its length.
    public static func packBytes(of blobs: [PackedBlob]) -> Int64 {
        let entries = blobs.reduce(0) {
            $0 + ($1.uncompressedLength == nil ? plainEntryBytes : compressedEntryBytes)
        }
        return blobs.reduce(0) { $0 + Int64($1.length) }
            + Int64(entries + Sealer.overheadBytes + lengthBytes)
    }

    /// The plaintext of the header.
    static func encode(_ blobs: [PackedBlob]) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(blobs.count * compressedEntryBytes)
        for blob in blobs {
            let compressed: UInt8 = blob.uncompressedLength == nil ? 0 : 2
            bytes.append(compressed | (blob.kind == .tree ? 1 : 0))
            bytes.append(littleEndian: blob.length)
            if let length = blob.uncompressedLength { bytes.append(littleEndian: length) }
            bytes += blob.id.bytes
        }
        return bytes
    }

    /// The blobs that a header's plaintext describes; their offsets follow from their lengths.
    ///
    /// - Parameters:
    ///   - bytes: the plaintext.
    ///   - object: the pack, for the error.
    /// - Throws: `RepositoryError` with code `corrupt`.
    static func decode(_ bytes: [UInt8], object: String) throws -> [PackedBlob] {
        var blobs: [PackedBlob] = []
        var offset: UInt64 = 0
        var rest = bytes[...]
        while let type = rest.popFirst() {
            guard type < 4 else {
                throw RepositoryError.corrupt(object, "blob type \(type) in its header")
            }
            let isCompressed = type >= 2
            guard rest.count >= (isCompressed ? compressedEntryBytes : plainEntryBytes) - 1 else {
                throw RepositoryError.corrupt(object, "its header is cut short")
            }
            let length = rest.takeLittleEndian()
            let uncompressed = isCompressed ? rest.takeLittleEndian() : nil
            guard let id = BlobID(bytes: rest.prefix(32)) else {
                throw RepositoryError.corrupt(object, "its header is cut short")
            }
            rest = rest.dropFirst(32)
            guard length >= Sealer.overheadBytes, uncompressed ?? 0 <= blobLimitBytes else {
                throw RepositoryError.corrupt(object, "a blob of \(length) bytes in its header")
            }
            blobs.append(
                PackedBlob(
                    id: id, kind: type & 1 == 1 ? .tree : .data, offset: UInt32(offset),
                    length: length, uncompressedLength: uncompressed))
            offset += UInt64(length)
            guard offset <= UInt64(UInt32.max) else {
                throw RepositoryError.corrupt(object, "its header describes more than 4 GiB")
            }
        }
        return blobs
    }

    /// Where the sealed header is in a pack, from the pack's last four bytes.
    ///
    /// - Parameters:
    ///   - packBytes: the length of the file.
    ///   - last: its last bytes, at least four.
    ///   - object: the pack, for the error.
    /// - Throws: `RepositoryError` with code `corrupt`.
    static func range(packBytes: Int64, last: some Collection<UInt8>, object: String) throws
        -> Range<Int64>
    {
        var tail = ArraySlice(last.suffix(lengthBytes))
        guard tail.count == lengthBytes else {
            throw RepositoryError.corrupt(object, "only \(packBytes) bytes")
        }
        let length = Int64(tail.takeLittleEndian())
        let end = packBytes - Int64(lengthBytes)
        guard length >= Int64(Sealer.overheadBytes + plainEntryBytes),
            length <= Int64(limitBytes), length <= end
        else { throw RepositoryError.corrupt(object, "a header of \(length) bytes") }
        return end - length..<end
    }

    /// Checks what a decoded header says against the length of the file.
    static func check(_ blobs: [PackedBlob], header: Range<Int64>, object: String) throws {
        let end = blobs.reduce(0) { $0 + Int64($1.length) }
        guard end == header.lowerBound else {
            throw RepositoryError.corrupt(
                object, "its blobs end at \(end), its header begins at \(header.lowerBound)")
        }
        guard blobs.allSatisfy({ $0.kind == blobs.first?.kind }) else {
            throw RepositoryError.corrupt(object, "trees and data in one pack")
        }
    }
}

extension [UInt8] {
    /// Appends four bytes, the least significant first.
    mutating func append(littleEndian value: UInt32) {
        for shift in [0, 8, 16, 24] as [UInt32] {
            append(UInt8(truncatingIfNeeded: value >> shift))
        }
    }
}

extension ArraySlice<UInt8> {
    /// Takes four bytes off the front, the least significant first; the caller knows they are there.
    mutating func takeLittleEndian() -> UInt32 {
        let value = prefix(4).reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        removeFirst(4)
        return value
    }
}
