import Glibc
import Platform

/// Cuts a part of a file into chunks, from a chunk's beginning on, without reading holes; one
/// thread at a time.
final class ChunkReader {
    /// A chunk; `bytes` is nil where it is `Chunker.minimumBytes` zeros of a hole.
    struct Chunk: Sendable {
        let range: Range<Int64>
        let bytes: [UInt8]?
    }

    private static let pieceBytes = 1 << 20
    // SEEK_DATA of lseek(2), which Glibc does not import.
    private static let seekData: Int32 = 3

    private let file: Descriptor
    private let sizeBytes: Int64
    private var chunker: Chunker
    private var buffer: [UInt8] = []
    /// The offset in the file of `buffer`'s first byte: a chunk's beginning.
    private var start: Int64 = 0
    private var holeEnd: Int64 = 0
    /// How many bytes were read from the file.
    private(set) var readBytes: Int64 = 0

    init(_ file: consuming Descriptor, sizeBytes: Int64, chunker: Chunker) {
        self.file = file
        self.sizeBytes = sizeBytes
        self.chunker = chunker
    }

    /// Goes on at an offset where a chunk begins.
    func move(to offset: Int64) {
        if offset >= start, offset - start <= Int64(buffer.count) {
            buffer.removeFirst(Int(offset - start))
        } else {
            buffer.removeAll(keepingCapacity: true)
        }
        start = offset
    }

    /// The next chunk, or nil at the end of the file.
    ///
    /// - Throws: `RepositoryError` where the file is shorter than it was said to be.
    func next() throws -> Chunk? {
        guard start < sizeBytes else { return nil }
        if try isHole() {
            buffer.removeAll(keepingCapacity: true)
            defer { start += Int64(Chunker.minimumBytes) }
            return Chunk(range: start..<start + Int64(Chunker.minimumBytes), bytes: nil)
        }
        chunker.reset()
        var seen = 0
        while true {
            if seen < buffer.count, let end = chunker.nextBoundary(in: buffer, from: seen) {
                return take(end)
            }
            seen = buffer.count
            guard start + Int64(buffer.count) < sizeBytes else { return take(buffer.count) }
            try fill()
        }
    }

    private func take(_ end: Int) -> Chunk {
        let chunk = [UInt8](buffer[..<end])
        buffer.removeFirst(end)
        defer { start += Int64(end) }
        return Chunk(range: start..<start + Int64(end), bytes: chunk)
    }

    /// Whether the chunk that begins here lies within a hole.
    private func isHole() throws -> Bool {
        let end = start + Int64(Chunker.minimumBytes)
        guard end <= sizeBytes else { return false }
        if start >= holeEnd {
            let data = file.withNumber { lseek($0, Int(start), Self.seekData) }
            // ENXIO: no more data. Anything else: the file system does not tell, so it is read.
            if data < 0, errno != ENXIO { return false }
            holeEnd = data < 0 ? sizeBytes : Int64(data)
        }
        return end <= holeEnd
    }

    private func fill() throws {
        let old = buffer.count
        let position = start + Int64(old)
        let room = Int(min(Int64(Self.pieceBytes), sizeBytes - position))
        buffer.append(contentsOf: repeatElement(0, count: room))
        let got = try file.withNumber { number in
            try unsafe buffer.withUnsafeMutableBytes { bytes in
                try systemCall("read") {
                    unsafe pread(
                        number, bytes.baseAddress.map { unsafe $0 + old }, room, Int(position))
                }
            }
        }
        buffer.removeLast(room - got)
        readBytes += Int64(got)
        guard got > 0 else { throw BackupFileReader.changed }
    }
}
