/// Memory for a part of a file: filled at its end, taken from its beginning.
///
/// What is read next begins at a multiple of 4 KiB, as reading past the page cache asks for.
@safe final class ReadWindow {
    private static let alignment = 4096

    private let memory: UnsafeMutableRawBufferPointer
    private var start = 0
    private var end = 0

    /// - Parameter capacityBytes: the most that it holds at once.
    init(capacityBytes: Int) {
        unsafe memory = .allocate(
            byteCount: capacityBytes + 2 * Self.alignment, alignment: Self.alignment)
    }

    deinit {
        unsafe memory.deallocate()
    }

    /// What it holds, until it is changed.
    var bytes: UnsafeRawBufferPointer {
        unsafe UnsafeRawBufferPointer(rebasing: memory[start..<end])
    }

    /// Forgets the first bytes.
    func drop(_ count: Int) {
        start += count
        if start == end { (start, end) = (0, 0) }
    }

    /// Room for more bytes behind those that it holds, which are moved to the front for it when the
    /// end is near.
    func makeRoom(_ count: Int) -> UnsafeMutableRawBufferPointer {
        if unsafe end % Self.alignment != 0 || end + count > memory.count {
            let kept = end - start
            // The end comes to lie at a multiple of the alignment.
            let first = (Self.alignment - kept % Self.alignment) % Self.alignment
            precondition(
                unsafe first + kept + count <= memory.count, "no chunk is longer than the window")
            if let base = unsafe memory.baseAddress {
                unsafe (base + first).copyMemory(from: base + start, byteCount: kept)
            }
            (start, end) = (first, first + kept)
        }
        return unsafe UnsafeMutableRawBufferPointer(rebasing: memory[end..<end + count])
    }

    /// Takes what was written into the room.
    func extend(by count: Int) {
        end += count
    }
}
