import Glibc
import Platform

/// A file in the making, by one thread at a time.
///
/// Chunks are written in order, blocks of zeros are left as holes, and the length and the metadata
/// come last.
final class RestoreFile {
    private let descriptor: Descriptor
    private let node: Node
    private let surroundings: RestoreSurroundings
    private var offset: Int64 = 0
    /// Where the last write ended: how long the file is.
    private var end: Int64 = 0

    /// Makes the file, which must not exist.
    init(_ node: Node, in directory: RestoreDirectory, _ surroundings: RestoreSurroundings) throws {
        descriptor = try directory.makeFile(
            node.name, permissions: surroundings.permissionsOfNewFile(node))
        self.node = node
        self.surroundings = surroundings
    }

    /// Leaves a hole.
    func skip(_ count: Int) {
        offset += Int64(count)
    }

    /// Writes the next chunk (pwrite(2)).
    func write(_ chunk: [UInt8]) throws {
        for part in ZeroBlocks(chunk, at: offset) where !part.isZero {
            try write(chunk, from: part.range.lowerBound, to: part.range.upperBound)
            end = offset + Int64(part.range.upperBound)
        }
        offset += Int64(chunk.count)
    }

    /// Sets the length and the metadata.
    ///
    /// - Throws: `RepositoryError` where the chunks are not as long as the node says.
    func finish() throws {
        guard offset == Int64(clamping: node.sizeBytes) else {
            throw RepositoryError.corrupt(
                "the tree",
                "'\(node.displayName)' has \(offset) bytes of content instead of \(node.sizeBytes)")
        }
        let length = Int(offset)
        try descriptor.withNumber { number in
            if end != offset { try systemCall("ftruncate") { ftruncate(number, length) } }
            try RestoreMetadata.apply(
                node, to: number, isolates: surroundings.passAttributesOn,
                hasMode: surroundings.givesModeToNewFile(node))
        }
    }

    private func write(_ chunk: [UInt8], from start: Int, to end: Int) throws {
        var done = start
        while done < end {
            let count = end - done
            let place = Int(offset) + done
            done += try descriptor.withNumber { number in
                try unsafe chunk.withUnsafeBytes { bytes in
                    try systemCall("write") {
                        unsafe pwrite(
                            number, bytes.baseAddress.map { unsafe $0 + done }, count, place)
                    }
                }
            }
        }
    }
}
