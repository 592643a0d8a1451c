import CPlatform
import Glibc
import Platform

/// The file that an object is written into, once and from its beginning; all calls block.
///
/// What is large goes past the page cache, in blocks of 1 MiB (O_DIRECT of open(2)): nobody reads a
/// pack soon, the cache belongs to the projects, and a sync has next to nothing left to do. Where
/// the file system does not have that, it is written in the ordinary way.
@safe struct ObjectFile: ~Copyable {
    private static let blockBytes = 1 << 20
    /// What O_DIRECT asks of memory, offsets and lengths; all disks are content with this.
    private static let alignment = 4096

    private let file: Descriptor
    private let block: UnsafeMutableRawBufferPointer?
    private var filled = 0

    /// - Parameters:
    ///   - file: empty and open for writing.
    ///   - expectedBytes: how long it will become.
    init(_ file: consuming Descriptor, expectedBytes: Int64) {
        let isDirect =
            expectedBytes >= Self.blockBytes
            && file.withNumber { berth_set_direct($0, 1) } == 0
        unsafe block =
            isDirect
            ? UnsafeMutableRawBufferPointer.allocate(
                byteCount: Self.blockBytes, alignment: Self.alignment) : nil
        self.file = file
    }

    deinit {
        unsafe block?.deallocate()
    }

    /// Appends bytes.
    ///
    /// - Throws: `PlatformError`.
    mutating func write(_ bytes: [UInt8]) throws {
        try unsafe bytes.withUnsafeBytes { bytes in
            guard let block = unsafe block else { return try unsafe writeAll(bytes) }
            var taken = 0
            while taken < bytes.count {
                let count = min(block.count - filled, bytes.count - taken)
                unsafe UnsafeMutableRawBufferPointer(rebasing: block[filled...])
                    .copyMemory(
                        from: UnsafeRawBufferPointer(rebasing: bytes[taken..<taken + count]))
                taken += count
                filled += count
                if filled == block.count { try flush() }
            }
        }
    }

    /// Makes everything durable (fsync(2)).
    ///
    /// - Throws: `PlatformError`.
    mutating func sync() throws {
        try flush()
        try file.withNumber { number in
            try systemCall("fsync") { fsync(number) }
        }
    }

    /// Writes what the block holds; its end, which is no whole block, in the ordinary way.
    private mutating func flush() throws {
        guard let block = unsafe block, filled > 0 else { return }
        let aligned = filled / Self.alignment * Self.alignment
        try unsafe writeAll(UnsafeRawBufferPointer(rebasing: block[..<aligned]))
        if aligned < filled {
            file.withNumber { _ = berth_set_direct($0, 0) }
            try unsafe writeAll(UnsafeRawBufferPointer(rebasing: block[aligned..<filled]))
        }
        filled = 0
    }

    private func writeAll(_ bytes: UnsafeRawBufferPointer) throws {
        try file.withNumber { number in
            var done = 0
            while done < bytes.count {
                do {
                    done += try systemCall("write") {
                        unsafe Glibc.write(
                            number, bytes.baseAddress.map { unsafe $0 + done }, bytes.count - done)
                    }
                } catch let error as PlatformError where error.errno == EINVAL {
                    // The disk wants another alignment, or wrote a part only.
                    guard berth_set_direct(number, 0) == 1 else { throw error }
                }
            }
        }
    }
}
