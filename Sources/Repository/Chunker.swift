/// Finds the content-defined boundaries of a byte stream, bit-equal to restic's chunker: a Rabin
/// fingerprint of 64 bytes, chunks of 512 KiB to 8 MiB, 1.5 MiB on average.
///
/// Feed it a stream in pieces of any size; the state begins anew at each boundary, so chunking may
/// start at any boundary found before. A chunk of zeros is always exactly `minimumBytes` long, so a
/// hole needs no chunker: from a boundary on, every 512 KiB of zeros is one chunk.
///
/// ```swift
/// while let end = chunker.nextBoundary(in: piece, from: start) { emit(piece[start..<end]); start = end }
/// // the rest of `piece` belongs to the chunk that the next piece continues; at the end of the
/// // stream a rest that is not empty is the last chunk; then `reset()`.
/// ```
///
/// A copy shares the tables and has a state of its own: make one `Chunker` per repository and copy
/// it for each file.
public struct Chunker: Sendable {
    /// The rolling hash covers this many bytes.
    public static let windowBytes = 64
    /// No chunk but the last of a stream is shorter.
    public static let minimumBytes = 512 << 10
    /// No chunk is longer.
    public static let maximumBytes = 8 << 20
    /// A boundary is where these bits of the hash are zero.
    static let mask: UInt64 = 1 << 20 - 1
    /// So many bytes of a chunk are never hashed: no boundary can be within the minimum.
    private static let unhashedBytes = minimumBytes - windowBytes
    static let digestShift = UInt64(ChunkerPolynomial.degree - 8)

    private let tables: ChunkerTables
    private var digest: UInt64 = 1
    /// The last 64 bytes that went into the window, oldest first; a chunk begins with zeros and a 1.
    private var window = Self.freshWindow

    /// How many bytes of the current chunk have been seen.
    public private(set) var length = 0

    private static let freshWindow = [UInt8](repeating: 0, count: windowBytes - 1) + [1]

    /// Makes a chunker at the beginning of a chunk; the tables cost some 20 µs.
    public init(polynomial: ChunkerPolynomial) {
        tables = ChunkerTables(polynomial: polynomial)
    }

    /// Begins a new chunk.
    public mutating func reset() {
        digest = 1
        length = 0
        window = Self.freshWindow
    }

    /// The offset in `bytes` just after the current chunk's end, or nil when the chunk goes on
    /// beyond `bytes`, all of which has then been seen.
    ///
    /// - Parameters:
    ///   - bytes: a piece of the stream.
    ///   - start: the offset of its first byte that has not been seen.
    public mutating func nextBoundary(in bytes: [UInt8], from start: Int) -> Int? {
        unsafe bytes.withUnsafeBytes { unsafe nextBoundary(in: $0, from: start) }
    }

    /// The same for borrowed memory.
    public mutating func nextBoundary(in bytes: UnsafeRawBufferPointer, from start: Int) -> Int? {
        let skipped = min(max(Self.unhashedBytes - length, 0), bytes.count - start)
        length += skipped
        let begin = start + skipped
        guard begin < bytes.count, let base = bytes.baseAddress else { return nil }
        let piece = unsafe UnsafeRawBufferPointer(start: base + begin, count: bytes.count - begin)
        guard let hashed = unsafe slide(over: piece) else { return nil }
        reset()
        return begin + hashed
    }

    /// Slides the window over `piece`; answers how many bytes it took to the boundary.
    private mutating func slide(over piece: UnsafeRawBufferPointer) -> Int? {
        let fromWindow = min(piece.count, Self.windowBytes)
        var state = digest
        let leaving = unsafe tables.leaving
        let reducing = unsafe tables.reducing
        for index in 0..<fromWindow {
            let entering = unsafe piece[index]
            unsafe state ^= leaving[Int(window[index])]
            unsafe state =
                (state << 8 | UInt64(entering)) ^ reducing[Int(state >> Self.digestShift)]
            if isBoundary(state, length: length + index + 1) { return index + 1 }
        }
        // From here on the bytes leaving are in the piece itself, and the chunk is longer than the
        // minimum: it has grown by a whole window since the hashing began.
        let end = min(piece.count, Self.maximumBytes - length)
        var index = fromWindow
        if let base = unsafe piece.baseAddress?.assumingMemoryBound(to: UInt8.self) {
            var lanes = ChunkerLanes(tables: tables, state: state)
            while end - index >= ChunkerLanes.bytes {
                if let hit = unsafe lanes.boundary(at: base + index) { return index + hit }
                index += ChunkerLanes.bytes
            }
            state = lanes.state
        }
        while index < end {
            let entering = unsafe piece[index]
            unsafe state ^= leaving[Int(piece[index &- Self.windowBytes])]
            unsafe state =
                (state << 8 | UInt64(entering)) ^ reducing[Int(state >> Self.digestShift)]
            index &+= 1
            if state & Self.mask == 0 { return index }
        }
        if length + index >= Self.maximumBytes { return index }
        digest = state
        length += piece.count
        unsafe window = Array((window + piece.suffix(Self.windowBytes)).suffix(Self.windowBytes))
        return nil
    }

    private func isBoundary(_ digest: UInt64, length: Int) -> Bool {
        length >= Self.minimumBytes && digest & Self.mask == 0 || length >= Self.maximumBytes
    }
}
