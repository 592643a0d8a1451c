import Glibc
import Platform

/// A file in the making, by one thread at a time.
///
/// Chunks are written in order, blocks of zeros are left as holes, and the length and the metadata
/// come last.
final class RestoreFile {
    private static let blockBytes = 4_096
    private static let zeros = [UInt8](repeating: 0, count: blockBytes)

    private let descriptor: Descriptor
    private let node: Node
    private var offset: Int64 = 0

    /// Makes the file, which must not exist.
    init(_ node: Node, in directory: RestoreDirectory) throws {
        descriptor = try directory.makeFile(node.name)
        self.node = node
    }

    /// Leaves a hole.
    func skip(_ count: Int) {
        offset += Int64(count)
    }

    /// Writes the next chunk (pwrite(2)).
    func write(_ chunk: [UInt8]) throws {
        var start = 0
        while start < chunk.count {
            let isHole = isZeroBlock(chunk, at: start)
            var end = blockEnd(after: start, in: chunk)
            while end < chunk.count, isZeroBlock(chunk, at: end) == isHole {
                end = blockEnd(after: end, in: chunk)
            }
            if !isHole { try write(chunk, from: start, to: end) }
            start = end
        }
        offset += Int64(chunk.count)
    }

    /// Sets the length and the metadata.
    ///
    /// - Throws: `RepositoryError` where the chunks are not as long as the node says.
    func finish(isolates: Bool) throws {
        guard offset == Int64(clamping: node.sizeBytes) else {
            throw RepositoryError.corrupt(
                "the tree",
                "'\(node.displayName)' has \(offset) bytes of content instead of \(node.sizeBytes)")
        }
        let length = Int(offset)
        try descriptor.withNumber { number in
            try systemCall("ftruncate") { ftruncate(number, length) }
            try RestoreMetadata.apply(node, to: number, isolates: isolates)
        }
    }

    /// The end of the block of the file in which the byte at `start` is.
    private func blockEnd(after start: Int, in chunk: [UInt8]) -> Int {
        let within = Int((offset + Int64(start)) % Int64(Self.blockBytes))
        return min(start + Self.blockBytes - within, chunk.count)
    }

    /// Whether a whole block begins at `start` and is all zeros; a shorter one at the end of the
    /// chunk is written.
    private func isZeroBlock(_ chunk: [UInt8], at start: Int) -> Bool {
        guard blockEnd(after: start, in: chunk) - start == Self.blockBytes, chunk[start] == 0 else {
            return false
        }
        return unsafe chunk.withUnsafeBytes { bytes in
            guard let base = bytes.baseAddress else { return false }
            return unsafe memcmp(base + start, Self.zeros, Self.blockBytes) == 0
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
