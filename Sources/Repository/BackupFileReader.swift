import Glibc
import Platform

/// Reads one file and cuts it into chunks, with at most one chunk and one piece in memory; one
/// thread at a time.
///
/// Where the file has a hole and a chunk begins in it, the chunk of zeros is told without reading:
/// all-zero input is always cut at exactly the least length.
final class BackupFileReader {
    /// The next part of the file.
    enum Chunk: Sendable {
        case bytes([UInt8])
        /// So many chunks of `Chunker.minimumBytes` zeros.
        case zeros(count: Int)
    }

    private static let pieceBytes = 1 << 20
    // SEEK_DATA of lseek(2), which Glibc does not import.
    private static let seekData: Int32 = 3

    private let descriptor: Descriptor
    private let sizeBytes: Int64
    private var chunker: Chunker
    /// Read, not yet told.
    private var buffer: [UInt8] = []
    /// How much of `buffer` the chunker has seen.
    private var seen = 0
    /// The offset in the file behind `buffer`.
    private var offset: Int64 = 0
    /// A hole is known to reach up to here.
    private var holeEnd: Int64 = 0

    /// Opens the file and checks that it is the one that was scanned.
    init(_ file: ScanFile, chunker: Chunker) throws {
        descriptor = try file.parent.file(file.name)
        sizeBytes = file.sizeBytes
        self.chunker = chunker
        self.chunker.reset()
        var now = stat()
        try descriptor.withNumber { number in
            try systemCall("fstat") { unsafe fstat(number, &now) }
        }
        let status = FileSystemStatus(now)
        guard status.device == file.device, status.inode == file.inode, status.kind == .file,
            status.sizeBytes == file.sizeBytes
        else { throw Self.changed }
    }

    static var changed: RepositoryError {
        RepositoryError(
            code: .verificationFailed, message: "the file changed while it was being read")
    }

    /// The whole content, for a small file.
    func readAll() throws -> [UInt8] {
        // One byte more than expected, to see the end.
        try fill(capacity: Int(sizeBytes) + 1)
        guard buffer.count == Int(sizeBytes) else { throw Self.changed }
        return buffer
    }

    /// The next chunk, or nil at the end of the file.
    ///
    /// - Throws: `RepositoryError` where the file has another length than scanned; `PlatformError`.
    func next() throws -> Chunk? {
        if let count = chunksOfHole() { return .zeros(count: count) }
        while true {
            if let end = chunker.nextBoundary(in: buffer, from: seen) { return take(end) }
            seen = buffer.count
            let before = buffer.count
            try fill(capacity: buffer.count + Self.pieceBytes)
            if buffer.count == before { break }
        }
        guard offset == sizeBytes else { throw Self.changed }
        return buffer.isEmpty ? nil : take(buffer.count)
    }

    private func take(_ end: Int) -> Chunk {
        var rest: [UInt8] = []
        if end < buffer.count {
            rest.reserveCapacity(2 * Self.pieceBytes)
            rest.append(contentsOf: buffer[end...])
            buffer.removeLast(buffer.count - end)
        }
        swap(&rest, &buffer)
        seen = 0
        return .bytes(rest)
    }

    /// How many chunks of zeros begin now, one after another; they are then taken.
    private func chunksOfHole() -> Int? {
        let begin = offset - Int64(buffer.count)
        guard begin + Int64(Chunker.minimumBytes) <= sizeBytes else { return nil }
        if begin >= holeEnd {
            let data = descriptor.withNumber { lseek($0, Int(begin), Self.seekData) }
            // ENXIO: no more data. Anything else: the file system does not tell, so it is read.
            if data < 0, errno != ENXIO { return nil }
            holeEnd = data < 0 ? sizeBytes : Int64(data)
        }
        let count = (min(holeEnd, sizeBytes) - begin) / Int64(Chunker.minimumBytes)
        guard count > 0 else { return nil }
        buffer.removeAll(keepingCapacity: true)
        offset = begin + count * Int64(Chunker.minimumBytes)
        return Int(count)
    }

    /// Reads until `buffer` holds `capacity` bytes or the file ends (pread(2)).
    private func fill(capacity: Int) throws {
        let old = buffer.count
        buffer.append(contentsOf: repeatElement(0, count: capacity - old))
        var count = old
        while count < capacity {
            let position = offset
            let room = capacity - count
            let got = try descriptor.withNumber { number in
                try unsafe buffer.withUnsafeMutableBytes { bytes in
                    try systemCall("read") {
                        unsafe pread(
                            number, bytes.baseAddress.map { unsafe $0 + count }, room,
                            Int(position))
                    }
                }
            }
            if got == 0 { break }
            count += got
            offset += Int64(got)
        }
        buffer.removeLast(capacity - count)
    }
}
