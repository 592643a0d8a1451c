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
    private let window: ReadWindow
    /// The offset in the file of the window's first byte: a chunk's beginning.
    private var start: Int64 = 0
    private var holeEnd: Int64 = 0
    /// How many bytes were read from the file.
    private(set) var readBytes: Int64 = 0

    init(_ file: consuming Descriptor, sizeBytes: Int64, chunker: Chunker) {
        self.file = file
        self.sizeBytes = sizeBytes
        self.chunker = chunker
        let longest = min(sizeBytes, Int64(Chunker.maximumBytes)) + Int64(Self.pieceBytes)
        window = ReadWindow(capacityBytes: Int(longest))
    }

    /// Goes on at an offset where a chunk begins.
    func move(to offset: Int64) {
        let known = Int64(unsafe window.bytes.count)
        window.drop(offset >= start && offset - start <= known ? Int(offset - start) : Int(known))
        start = offset
    }

    /// The next chunk, or nil at the end of the file.
    ///
    /// - Throws: `RepositoryError` where the file is shorter than it was said to be.
    func next() throws -> Chunk? {
        guard start < sizeBytes else { return nil }
        if try isHole() {
            window.drop(unsafe window.bytes.count)
            defer { start += Int64(Chunker.minimumBytes) }
            return Chunk(range: start..<start + Int64(Chunker.minimumBytes), bytes: nil)
        }
        chunker.reset()
        var seen = 0
        while true {
            let read = unsafe window.bytes
            if seen < read.count, let end = unsafe chunker.nextBoundary(in: read, from: seen) {
                return take(end)
            }
            seen = read.count
            guard start + Int64(seen) < sizeBytes else { return take(seen) }
            try fill()
        }
    }

    private func take(_ end: Int) -> Chunk {
        let chunk = unsafe [UInt8](window.bytes[..<end])
        window.drop(end)
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
        let position = start + Int64(unsafe window.bytes.count)
        let room = unsafe window.makeRoom(Int(min(Int64(Self.pieceBytes), sizeBytes - position)))
        let got = try file.withNumber { number in
            try systemCall("read") {
                unsafe pread(number, room.baseAddress, room.count, Int(position))
            }
        }
        guard got > 0 else { throw BackupFileReader.changed }
        window.extend(by: got)
        readBytes += Int64(got)
    }
}
