/// Strings as a NULL-terminated array of C strings, all in one piece of memory.
struct CStringTable {
    private var bytes: [CChar] = []
    private var offsets: [Int] = []

    /// - Parameter strings: none holds a NUL byte; what follows one would be ignored.
    init(_ strings: [String]) {
        for string in strings {
            offsets.append(bytes.count)
            bytes.append(contentsOf: string.utf8.map { CChar(bitPattern: $0) })
            bytes.append(0)
        }
    }

    /// Runs `body` with the array, which must not escape it.
    @unsafe func withPointers<Answer>(
        _ body: ([UnsafePointer<CChar>?]) throws -> Answer
    ) rethrows -> Answer {
        try unsafe bytes.withUnsafeBufferPointer { buffer in
            var pointers: [UnsafePointer<CChar>?] = unsafe offsets.map { offset in
                unsafe buffer.baseAddress.map { unsafe $0 + offset }
            }
            unsafe pointers.append(nil)
            return try unsafe body(pointers)
        }
    }
}
