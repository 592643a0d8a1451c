import Glibc
public import Platform

/// The index files of one repository as a host keeps them: in a form that is read ten times faster
/// than their JSON, and sealed under the repository's key, so that they tell nothing without a grant.
///
/// An index file never changes under its name, so what is kept is as good as what is in the bucket. It
/// may be deleted at any time; what is damaged is not used.
public struct IndexCache: Sendable {
    private static let entryBytes = 48
    private static let limitBytes = UnpackedFile.limitBytes

    private let directory: String
    private let pool: BlockingPool

    /// - Parameters:
    ///   - directory: made when something is kept; nothing else is in it.
    ///   - pool: whose threads wait for the disk.
    public init(directory: String, pool: BlockingPool) {
        self.directory = directory
        self.pool = pool
    }

    /// The index file of this name; nil where it is not kept.
    func read(_ id: BlobID, _ codec: BlobCodec) async -> IndexFile? {
        // Only a cancellation fails here, which the next step finds.
        try? await pool.run { readNow(id, codec) }
    }

    private func readNow(_ id: BlobID, _ codec: BlobCodec) -> IndexFile? {
        // Whatever is wrong with it: the file is in the bucket too.
        guard let sealed = try? DurableFile.read(path(id), limitBytes: Self.limitBytes),
            let bytes = try? codec.sealer.open(sealed, object: "a kept index file")
        else { return nil }
        return Self.decode(bytes, id)
    }

    /// Keeps an index file, unless there is no room.
    func write(_ id: BlobID, _ file: IndexFile, _ codec: BlobCodec) async {
        // Only a cancellation fails here, which the next step finds.
        try? await pool.run { writeNow(id, file, codec) }
    }

    private func writeNow(_ id: BlobID, _ file: IndexFile, _ codec: BlobCodec) {
        let part = "\(path(id)).part"
        unsafe mkdir(directory, 0o700)
        // Without it the file is read from the bucket each time.
        guard let sealed = try? codec.sealer.seal(Self.encode(file, id)),
            (try? Self.write(sealed, to: part)) != nil, unsafe rename(part, path(id)) == 0
        else {
            unsafe unlink(part)
            return
        }
    }

    /// Removes what the repository does not have any more.
    func keep(only ids: [BlobID]) async {
        // Only a cancellation fails here, which the next step finds.
        try? await pool.run { keepNow(ids) }
    }

    private func keepNow(_ ids: [BlobID]) {
        let names = Set(ids.map(\.hex))
        // Nothing is there before the first file is kept.
        let kept = (try? FileSystemDirectory(path: directory).names()) ?? []
        for name in kept.map({ String(decoding: $0, as: UTF8.self) }) where !names.contains(name) {
            unsafe unlink("\(directory)/\(name)")
        }
    }

    /// Removes everything.
    public func remove() async {
        await keep(only: [])
        unsafe rmdir(directory)
    }

    private func path(_ id: BlobID) -> String { "\(directory)/\(id.hex)" }

    /// A power failure may leave anything: the seal tells.
    private static func write(_ bytes: [UInt8], to path: String) throws {
        let file = try Descriptor(
            opening: path, flags: O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, mode: 0o600)
        try file.withNumber { number in
            var done = 0
            while done < bytes.count {
                done += try systemCall("write \(path)") {
                    unsafe bytes.withUnsafeBytes {
                        unsafe Glibc.write(
                            number, $0.baseAddress.map { unsafe $0 + done }, bytes.count - done)
                    }
                }
            }
        }
    }

    // MARK: The form: the file's own name, then of each pack an entry of its name and the number of
    // its blobs, and theirs.

    static func encode(_ file: IndexFile, _ id: BlobID) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(
            entryBytes * file.packs.reduce(1) { $0 + 1 + $1.blobs.count })
        append(id, (0, 0, 0, 0), to: &bytes)
        for pack in file.packs {
            append(pack.id, (UInt32(pack.blobs.count), 0, 0, 0), to: &bytes)
            for blob in pack.blobs {
                append(
                    blob.id,
                    (
                        blob.offset, blob.length, blob.uncompressedLength ?? 0,
                        blob.kind == .tree ? 1 : 0
                    ), to: &bytes)
            }
        }
        return bytes
    }

    private static func append(
        _ id: BlobID, _ numbers: (UInt32, UInt32, UInt32, UInt32), to bytes: inout [UInt8]
    ) {
        bytes += id.bytes
        bytes.append(littleEndian: numbers.0)
        bytes.append(littleEndian: numbers.1)
        bytes.append(littleEndian: numbers.2)
        bytes.append(littleEndian: numbers.3)
    }

    /// nil where it is not the file of this name.
    static func decode(_ bytes: [UInt8], _ id: BlobID) -> IndexFile? {
        guard bytes.count >= entryBytes, bytes.count % entryBytes == 0 else { return nil }
        return unsafe bytes.withUnsafeBytes { raw in
            var offset = 0
            func next() -> (id: BlobID, numbers: SIMD4<UInt32>) {
                defer { offset += entryBytes }
                var numbers = SIMD4<UInt32>()
                for place in 0..<4 {
                    numbers[place] = unsafe UInt32(
                        littleEndian: raw.loadUnaligned(
                            fromByteOffset: offset + 32 + place * 4, as: UInt32.self))
                }
                return unsafe (BlobID(loading: raw, at: offset), numbers)
            }
            guard next().id == id else { return nil }
            var packs: [PackDescription] = []
            while offset < raw.count {
                let pack = next()
                let count = Int(pack.numbers[0])
                guard count <= (raw.count - offset) / entryBytes else { return nil }
                var blobs: [PackedBlob] = []
                blobs.reserveCapacity(count)
                for _ in 0..<count {
                    let (id, numbers) = next()
                    blobs.append(
                        PackedBlob(
                            id: id, kind: numbers[3] == 1 ? .tree : .data, offset: numbers[0],
                            length: numbers[1],
                            uncompressedLength: numbers[2] == 0 ? nil : numbers[2]))
                }
                packs.append(
                    PackDescription(
                        id: pack.id, bytes: PackHeader.packBytes(of: blobs), blobs: blobs))
            }
            return IndexFile(packs: packs)
        }
    }
}
