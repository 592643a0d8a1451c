import Glibc

/// A chunk of a file cut into runs of whole blocks that are all zeros, which become holes, and runs of
/// everything else.
struct ZeroBlocks: Sequence, IteratorProtocol {
    private static let blockBytes = 4_096
    private static let zeros = [UInt8](repeating: 0, count: blockBytes)

    private let chunk: [UInt8]
    private let offset: Int64
    private var start = 0

    /// - Parameter offset: where in the file the chunk begins; blocks are those of the file.
    init(_ chunk: [UInt8], at offset: Int64) {
        self.chunk = chunk
        self.offset = offset
    }

    mutating func next() -> (range: Range<Int>, isZero: Bool)? {
        guard start < chunk.count else { return nil }
        let first = start
        let isZero = isZeroBlock(at: first)
        var end = blockEnd(after: first)
        while end < chunk.count, isZeroBlock(at: end) == isZero { end = blockEnd(after: end) }
        start = end
        return (first..<end, isZero)
    }

    /// The end of the block of the file in which the byte at `start` is.
    private func blockEnd(after start: Int) -> Int {
        let within = Int((offset + Int64(start)) % Int64(Self.blockBytes))
        return Swift.min(start + Self.blockBytes - within, chunk.count)
    }

    /// Whether a whole block begins at `start` and is all zeros; a shorter one at the end of the
    /// chunk is written.
    private func isZeroBlock(at start: Int) -> Bool {
        guard blockEnd(after: start) - start == Self.blockBytes, chunk[start] == 0 else {
            return false
        }
        return unsafe chunk.withUnsafeBytes { bytes in
            guard let base = bytes.baseAddress else { return false }
            return unsafe memcmp(base + start, Self.zeros, Self.blockBytes) == 0
        }
    }
}
