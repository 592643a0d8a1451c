import Glibc
import ObjectStore
import Platform
import Repository

/// The trees that pass by while a whole volume is read or written, in a file without a name, until
/// what is kept of the base is made of them; and the lengths of long chunks.
final class TreeSpool: BlobKeeper {
    private struct State {
        var places: [BlobID: Range<Int64>] = [:]
        var end: Int64 = 0
        var lengths: [BlobID: Int64] = [:]
    }

    private let file: Descriptor
    private let codec: BlobCodec
    private let state = Locked(State())

    /// - Parameter directory: where the file is, as long as it is open.
    /// - Throws: `PlatformError`.
    init(directory: String, codec: BlobCodec) throws {
        let path = "\(directory)/trees-\(Random.hex(bytes: 8))"
        file = try Descriptor(opening: path, flags: O_RDWR | O_CREAT | O_EXCL)
        unsafe unlink(path)
        self.codec = codec
    }

    /// Keeps what passes, unless there is no room for it: then the tree is not here later.
    func note(_ plaintext: [UInt8], _ blob: PreparedBlob) {
        switch blob.kind {
        case .data: note(lengthBytes: plaintext.count, of: blob.id)
        case .tree:
            guard state.withLock({ $0.places[blob.id] == nil }) else { return }
            // The cache is then not made; the backup does not suffer.
            guard let tree = try? SealedTree(plaintext, prepared: blob, codec: codec) else {
                return
            }
            note(tree)
        }
    }

    /// Keeps the length of a long chunk.
    func note(lengthBytes: Int, of chunk: BlobID) {
        guard lengthBytes >= Chunker.minimumBytes else { return }
        state.withLock { $0.lengths[chunk] = Int64(lengthBytes) }
    }

    /// Keeps a tree, unless there is no room for it.
    func note(_ tree: SealedTree) {
        guard state.withLock({ $0.places[tree.id] == nil }) else { return }
        // The cache is then not made; nothing else suffers.
        guard let place = try? keep(tree.stored) else { return }
        state.withLock { $0.places[tree.id] = place }
    }

    private func keep(_ stored: [UInt8]) throws -> Range<Int64> {
        let start = state.withLock { state -> Int64 in
            defer { state.end += Int64(stored.count) }
            return state.end
        }
        var written = 0
        while written < stored.count {
            let rest = stored[written...]
            written += try file.withNumber { number in
                try systemCall("keep a tree") {
                    unsafe rest.withUnsafeBytes { bytes in
                        unsafe pwrite(
                            number, bytes.baseAddress, bytes.count, Int(start) + written)
                    }
                }
            }
        }
        return start..<start + Int64(stored.count)
    }

    /// The length of a chunk of 512 KiB or more that has passed.
    func length(of chunk: BlobID) -> Int64? { state.withLock { $0.lengths[chunk] } }

    /// A tree that has passed; blocks.
    func tree(_ id: BlobID) throws -> SealedTree? {
        guard let place = state.withLock({ $0.places[id] }) else { return nil }
        let count = place.count
        let stored = try unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            filled = try file.withNumber { number in
                try systemCall("read a kept tree") {
                    unsafe pread(number, buffer.baseAddress, count, Int(place.lowerBound))
                }
            }
        }
        guard stored.count == count else {
            throw PlatformError(code: .systemCall, message: "a kept tree is cut short", errno: EIO)
        }
        return SealedTree(id: id, stored: stored)
    }
}
