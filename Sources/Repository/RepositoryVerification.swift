import ObjectStore

// What the hub checks before it commits what a host has uploaded (D13, D2).
extension OpenRepository {
    /// The longest pack that is read whole: twice the longest blob, and far above restic's 128 MiB.
    private static var packLimitBytes: Int { 2 * PackHeader.blobLimitBytes }

    /// Reads back the headers of packs and compares: every pack is there, as long as said, and holds
    /// just what is said.
    ///
    /// - Throws: `RepositoryError`: `missing` or `corrupt` naming the pack, `store`.
    public func verifyPackHeaders(_ packs: [PackDescription]) async throws {
        _ = try await concurrentMap(packs, width: Self.readWidth) { pack in
            let read = try await readHeader(of: pack.id)
            guard read == pack else {
                throw RepositoryError.corrupt(
                    try ObjectName.pack(pack.id).text,
                    "its header does not list the blobs that were announced")
            }
        }
    }

    /// Reads back the headers of packs, which tell what is in them, and compares them with what
    /// was announced.
    ///
    /// - Returns: the packs, in the order of `packs`.
    /// - Throws: `RepositoryError`: `missing` or `corrupt` naming the pack, `store`.
    public func readHeaders(of packs: [AnnouncedPack]) async throws -> [PackDescription] {
        try await concurrentMap(packs, width: Self.readWidth) { pack in
            let read = try await readHeader(of: pack.id)
            guard AnnouncedPack(read) == pack else {
                throw RepositoryError.corrupt(
                    try ObjectName.pack(pack.id).text,
                    "its header does not list the blobs that were announced")
            }
            return read
        }
    }

    /// Those of packs that are not in the store, or are not what they are said to be.
    ///
    /// - Throws: `RepositoryError` `store`.
    public func lost(of packs: [AnnouncedPack]) async throws -> [BlobID] {
        try await concurrentMap(packs, width: Self.readWidth) { pack -> BlobID? in
            do {
                return AnnouncedPack(try await readHeader(of: pack.id)) == pack ? nil : pack.id
            } catch let error as RepositoryError where error.code != .store {
                return pack.id
            }
        }.compactMap(\.self)
    }

    /// What a pack's header says about the pack.
    ///
    /// - Throws: `RepositoryError`: `missing` or `corrupt` naming the pack, `store`.
    @concurrent public func readHeader(of pack: BlobID) async throws -> PackDescription {
        let name = try ObjectName.pack(pack)
        let bytes = try await reading(name) { try await store.size(of: name) }
        // Most headers are within the last 64 KiB; a longer one costs a second request.
        let guess = min(bytes, 64 << 10)
        var tail = try await reading(name) {
            try await store.get(name, range: bytes - guess..<bytes, limitBytes: Int(guess))
        }
        let range = try PackHeader.range(packBytes: bytes, last: tail, object: name.text)
        if range.lowerBound < bytes - guess {
            tail = try await reading(name) {
                try await store.get(
                    name, range: range.lowerBound..<bytes, limitBytes: PackHeader.limitBytes + 4)
            }
        }
        let sealed = tail.suffix(range.count + PackHeader.lengthBytes).prefix(range.count)
        let plain = try codec.sealer.open(sealed, object: name.text)
        let blobs = try PackHeader.decode(plain, object: name.text)
        try PackHeader.check(blobs, header: range, object: name.text)
        return PackDescription(id: pack, bytes: bytes, blobs: blobs)
    }

    /// Reads and verifies some blobs of packs, chosen at random.
    ///
    /// - Parameters:
    ///   - packs: where to choose from.
    ///   - count: how many blobs at most.
    ///   - random: what chooses.
    /// - Throws: `RepositoryError`: `missing` or `corrupt` naming the pack, `store`.
    public func readBackSample(
        _ packs: [PackDescription], count: Int, using random: inout some RandomNumberGenerator
    ) async throws {
        let all = packs.flatMap { pack in pack.blobs.map { (pack: pack.id, blob: $0) } }
        let sample = Array(all.shuffled(using: &random).prefix(count))
        _ = try await concurrentMap(sample, width: Self.readWidth) { pack, blob in
            _ = try await readBack(blob, in: pack)
        }
    }

    /// The entries of a tree that one of these packs holds, read without any index; nil where none
    /// does.
    ///
    /// - Throws: `RepositoryError`: `missing` or `corrupt` naming the pack, `store`.
    public func tree(_ id: BlobID, in packs: [PackDescription]) async throws -> [Node]? {
        for pack in packs {
            for blob in pack.blobs where blob.id == id && blob.kind == .tree {
                return try TreeDecoder.decode(try await readBack(blob, in: pack.id))
            }
        }
        return nil
    }

    @concurrent private func readBack(
        _ blob: PackedBlob, in pack: BlobID
    ) async throws -> [UInt8] {
        let name = try ObjectName.pack(pack)
        let start = Int64(blob.offset)
        let sealed = try await reading(name) {
            try await store.get(
                name, range: start..<start + Int64(blob.length), limitBytes: Int(blob.length))
        }
        return try unsafe sealed.withUnsafeBytes {
            try unsafe codec.decode($0, as: blob, pack: name.text)
        }
    }

    /// Reads a whole pack: its SHA-256, its header, every blob.
    ///
    /// - Parameter expected: what the index says; nil where the header alone counts.
    /// - Throws: `RepositoryError`: `missing` or `corrupt` naming the pack, `store`.
    @concurrent public func verifyPack(_ pack: BlobID, expected: [PackedBlob]? = nil) async throws {
        let name = try ObjectName.pack(pack)
        let bytes = try await reading(name) {
            try await store.get(name, limitBytes: Self.packLimitBytes)
        }
        let found = try codec.id(of: bytes)
        guard found == pack else {
            throw RepositoryError.corrupt(name.text, "its content has SHA-256 \(found.hex)")
        }
        let size = Int64(bytes.count)
        let range = try PackHeader.range(packBytes: size, last: bytes, object: name.text)
        let plain = try codec.sealer.open(
            bytes[Int(range.lowerBound)..<Int(range.upperBound)], object: name.text)
        let blobs = try PackHeader.decode(plain, object: name.text)
        try PackHeader.check(blobs, header: range, object: name.text)
        if let expected, expected != blobs {
            throw RepositoryError.corrupt(name.text, "its header differs from the index")
        }
        try unsafe bytes.withUnsafeBytes { all in
            for blob in blobs {
                let start = Int(blob.offset)
                _ = try unsafe codec.decode(
                    UnsafeRawBufferPointer(rebasing: all[start..<start + Int(blob.length)]),
                    as: blob, pack: name.text)
            }
        }
    }
}
