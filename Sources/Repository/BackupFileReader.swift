import CPlatform
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
    /// What was read and not told yet; made for the first chunk.
    private var window: ReadWindow?
    /// How much of the window the chunker has seen.
    private var seen = 0
    /// The offset in the file behind the window.
    private var offset: Int64 = 0
    /// A hole is known to reach up to here.
    private var holeEnd: Int64 = 0

    /// Takes an open file and checks that it is the one that was scanned.
    init(_ file: ScanFile, _ open: consuming Descriptor, chunker: Chunker) throws {
        try Self.check(open, is: file)
        descriptor = open
        sizeBytes = file.sizeBytes
        self.chunker = chunker
        self.chunker.reset()
    }

    private static func check(_ open: borrowing Descriptor, is file: ScanFile) throws {
        var now = stat()
        try open.withNumber { number in
            try systemCall("fstat") { unsafe fstat(number, &now) }
        }
        let status = FileSystemStatus(now)
        var isSame =
            status.inode == file.inode && status.kind == .file
            && status.sizeBytes == file.sizeBytes
        if case .entry(_, _, let device) = file.place, device != status.device { isSame = false }
        guard isSame else { throw changed }
    }

    static var changed: RepositoryError {
        RepositoryError(
            code: .verificationFailed, message: "the file changed while it was being read")
    }

    /// The whole content of a small file.
    ///
    /// - Throws: `RepositoryError` where it is not the file that was scanned; `PlatformError`.
    static func content(of file: ScanFile, _ open: borrowing Descriptor) throws -> [UInt8] {
        try check(open, is: file)
        let size = Int(file.sizeBytes)
        let content = try unsafe [UInt8](unsafeUninitializedCapacity: size + 1) { buffer, count in
            // One byte more than expected, to see the end.
            while count < size {
                let got = try unsafe read(
                    open, into: UnsafeMutableRawBufferPointer(buffer), from: count,
                    at: Int64(count))
                if got == 0 { break }
                count += got
            }
        }
        guard content.count == size else { throw changed }
        return content
    }

    /// The next chunk, or nil at the end of the file.
    ///
    /// - Throws: `RepositoryError` where the file has another length than scanned; `PlatformError`.
    func next() throws -> Chunk? {
        let window = self.window ?? makeWindow()
        if let count = chunksOfHole(window) { return .zeros(count: count) }
        while true {
            let read = unsafe window.bytes
            if let end = unsafe chunker.nextBoundary(in: read, from: seen) {
                return take(end, of: window)
            }
            seen = read.count
            let room = unsafe window.makeRoom(Self.pieceBytes)
            let got = try unsafe Self.read(descriptor, into: room, from: 0, at: offset)
            if got == 0 { break }
            window.extend(by: got)
            offset += Int64(got)
        }
        guard offset == sizeBytes else { throw Self.changed }
        let rest = unsafe window.bytes.count
        return rest == 0 ? nil : take(rest, of: window)
    }

    /// A large file is read past the page cache where the file system has that: the cache belongs
    /// to the projects, and nobody reads a snapshot again.
    private func makeWindow() -> ReadWindow {
        let made = ReadWindow(capacityBytes: Chunker.maximumBytes + Self.pieceBytes)
        descriptor.withNumber { _ = berth_set_direct($0, 1) }
        window = made
        return made
    }

    private func take(_ end: Int, of window: ReadWindow) -> Chunk {
        defer {
            window.drop(end)
            seen = 0
        }
        return .bytes(unsafe [UInt8](window.bytes[..<end]))
    }

    /// How many chunks of zeros begin now, one after another; they are then taken.
    private func chunksOfHole(_ window: ReadWindow) -> Int? {
        let begin = offset - Int64(unsafe window.bytes.count)
        guard begin + Int64(Chunker.minimumBytes) <= sizeBytes else { return nil }
        if begin >= holeEnd {
            let data = descriptor.withNumber { lseek($0, Int(begin), Self.seekData) }
            // ENXIO: no more data. Anything else: the file system does not tell, so it is read.
            if data < 0, errno != ENXIO { return nil }
            holeEnd = data < 0 ? sizeBytes : Int64(data)
        }
        let count = (min(holeEnd, sizeBytes) - begin) / Int64(Chunker.minimumBytes)
        guard count > 0 else { return nil }
        window.drop(unsafe window.bytes.count)
        offset = begin + count * Int64(Chunker.minimumBytes)
        return Int(count)
    }

    /// pread(2) into `target` from `start` on; 0 at the end of the file.
    private static func read(
        _ open: borrowing Descriptor, into target: UnsafeMutableRawBufferPointer,
        from start: Int, at position: Int64
    ) throws -> Int {
        try open.withNumber { number in
            while true {
                do {
                    return try systemCall("read") {
                        unsafe pread(
                            number, target.baseAddress.map { unsafe $0 + start },
                            target.count - start, Int(position))
                    }
                } catch let error as PlatformError where error.errno == EINVAL {
                    // Not at a place where the file system reads past the cache.
                    guard berth_set_direct(number, 0) == 1 else { throw error }
                }
            }
        }
    }
}
