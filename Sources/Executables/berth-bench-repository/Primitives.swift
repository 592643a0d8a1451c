import Glibc
import Platform
import Repository

/// The parts of a first backup of large files, each measured by the processor time that it takes.
final class Primitives {
    private static let pieceBytes = 1 << 20
    private static let packBytes = 16 << 20
    private static let alignment = 4096

    private enum Part: String, CaseIterable {
        case read, chunk, hash, compress, seal, verify, name, write
    }

    private let codec: BlobCodec
    private var chunker: Chunker
    private let scratch: Descriptor
    private var seconds: [Part: Double] = [:]
    private var pack: [[UInt8]] = []
    private var packed = 0
    private var readBytes = 0
    private var storedBytes = 0

    /// - Parameter scratch: the file that packs are written into.
    init(scratch: String) throws {
        codec = BlobCodec(key: try RepositoryKey.random())
        chunker = Chunker(polynomial: try ChunkerPolynomial(hex: "3da3358b4dc173"))
        self.scratch = try Descriptor(
            opening: scratch, flags: O_WRONLY | O_CREAT | O_TRUNC, mode: 0o600)
        self.scratch.passCache()
    }

    /// Reads a file past the page cache, cuts it, and stores the chunks.
    func store(_ path: String) throws {
        let file = try Descriptor(opening: path, flags: O_RDONLY | O_NOFOLLOW)
        file.passCache()
        let piece = UnsafeMutableRawBufferPointer.allocate(
            byteCount: Self.pieceBytes, alignment: Self.alignment)
        defer { unsafe piece.deallocate() }
        var chunk: [UInt8] = []
        chunker.reset()
        while true {
            let count = try measure(.read) {
                try file.withNumber { number in
                    try systemCall("read") {
                        unsafe Glibc.read(number, piece.baseAddress, piece.count)
                    }
                }
            }
            if count == 0 { break }
            readBytes += count
            let read = unsafe UnsafeRawBufferPointer(rebasing: piece[..<count])
            var start = 0
            while let end = unsafe boundary(in: read, from: start) {
                unsafe chunk += read[start..<end]
                try store(chunk)
                chunk.removeAll(keepingCapacity: true)
                start = end
            }
            unsafe chunk += read[start...]
        }
        if !chunk.isEmpty { try store(chunk) }
    }

    private func boundary(in read: UnsafeRawBufferPointer, from start: Int) -> Int? {
        measure(.chunk) { unsafe chunker.nextBoundary(in: read, from: start) }
    }

    private func store(_ chunk: [UInt8]) throws {
        let codec = codec
        let id = try measure(.hash) { try codec.id(of: chunk) }
        // As it is stored: compressed where that pays, as the engine decides it.
        let compressed = try measure(.compress) { try codec.compressed(chunk, kind: .data) }
        let sealed = try measure(.seal) { try codec.sealer.seal(compressed ?? chunk) }
        let blob = PackedBlob(
            id: id, kind: .data, offset: 0, length: UInt32(sealed.count),
            uncompressedLength: compressed == nil ? nil : UInt32(chunk.count))
        try measure(.verify) {
            _ = try unsafe sealed.withUnsafeBytes {
                try unsafe codec.decode($0, as: blob, pack: "it")
            }
        }
        pack.append(sealed)
        packed += sealed.count
        if packed >= Self.packBytes { try finish() }
    }

    /// Names and writes the pack that is open.
    func finish() throws {
        let pieces = pack
        let codec = codec
        _ = try measure(.name) { try codec.id(of: pieces) }
        storedBytes += packed
        let block = UnsafeMutableRawBufferPointer.allocate(
            byteCount: Self.pieceBytes, alignment: Self.alignment)
        defer { unsafe block.deallocate() }
        try unsafe write(pieces, by: block)
        pack = []
        packed = 0
    }

    private func write(
        _ pieces: [[UInt8]], by block: UnsafeMutableRawBufferPointer
    ) throws {
        var filled = 0
        let begin = Self.now
        for piece in pieces {
            var rest = piece[...]
            while !rest.isEmpty {
                let count = min(rest.count, block.count - filled)
                unsafe UnsafeMutableRawBufferPointer(rebasing: block[filled...])
                    .copyBytes(from: rest.prefix(count))
                rest = rest.dropFirst(count)
                filled += count
                guard filled == block.count else { continue }
                try unsafe put(block)
                filled = 0
            }
        }
        // The last block of a pack is not full; the size of the block is written all the same.
        if filled > 0 { try unsafe put(block) }
        try scratch.withNumber { number in try systemCall("fsync") { fsync(number) } }
        seconds[.write, default: 0] += Self.now - begin
    }

    private func put(_ block: UnsafeMutableRawBufferPointer) throws {
        try scratch.withNumber { number in
            _ = try systemCall("write") {
                unsafe Glibc.write(number, block.baseAddress, block.count)
            }
        }
    }

    private func measure<Answer>(
        _ part: Part, _ body: () throws -> Answer
    ) rethrows -> Answer {
        let begin = Self.now
        defer { seconds[part, default: 0] += Self.now - begin }
        return try body()
    }

    /// Processor seconds of this process.
    private static var now: Double {
        var time = timespec()
        unsafe clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    /// One part a line, and their sum.
    var report: String {
        var lines = Part.allCases.map { "\($0.rawValue) \(seconds[$0] ?? 0)" }
        lines.append("read-bytes \(readBytes)")
        lines.append("stored-bytes \(storedBytes)")
        lines.append("sum \(seconds.values.reduce(0, +))")
        return lines.joined(separator: "\n") + "\n"
    }
}
