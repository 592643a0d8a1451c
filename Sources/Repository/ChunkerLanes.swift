/// The rolling hash at six places at once.
///
/// Each step of the hash waits for the step before, so a processor has nothing else to do meanwhile.
/// But the hash at a place depends on the 64 bytes before it alone: six steps at places far apart
/// are independent, and cost little more than one.
struct ChunkerLanes {
    /// How far one lane goes.
    private static let laneBytes = 8 << 10
    /// How many bytes `boundary(at:)` looks at.
    static let bytes = 6 * laneBytes

    private let tables: ChunkerTables
    /// The hash at the end of what was looked at.
    private(set) var state: UInt64

    init(tables: ChunkerTables, state: UInt64) {
        self.tables = tables
        self.state = state
    }

    /// How many bytes of the next `bytes` belong to the current chunk, or nil where no boundary is
    /// among them: `state` is then the hash at their end.
    ///
    /// - Parameter start: the bytes; the 64 before them are read too.
    mutating func boundary(at start: UnsafePointer<UInt8>) -> Int? {
        let lane = Self.laneBytes
        var (first, second) = unsafe (state, hash(before: start + lane))
        var (third, fourth) = unsafe (
            hash(before: start + 2 * lane), hash(before: start + 3 * lane)
        )
        var (fifth, sixth) = unsafe (
            hash(before: start + 4 * lane), hash(before: start + 5 * lane)
        )
        // Where each of the later lanes has its first boundary.
        var (inSecond, inThird, inFourth, inFifth, inSixth) = (0, 0, 0, 0, 0)
        for index in 0..<lane {
            let place = unsafe start + index
            unsafe step(&first, place)
            unsafe step(&second, place + lane)
            unsafe step(&third, place + 2 * lane)
            unsafe step(&fourth, place + 3 * lane)
            unsafe step(&fifth, place + 4 * lane)
            unsafe step(&sixth, place + 5 * lane)
            if first & Chunker.mask == 0 { return index + 1 }
            if second & Chunker.mask == 0, inSecond == 0 { inSecond = lane + index + 1 }
            if third & Chunker.mask == 0, inThird == 0 { inThird = 2 * lane + index + 1 }
            if fourth & Chunker.mask == 0, inFourth == 0 { inFourth = 3 * lane + index + 1 }
            if fifth & Chunker.mask == 0, inFifth == 0 { inFifth = 4 * lane + index + 1 }
            if sixth & Chunker.mask == 0, inSixth == 0 { inSixth = 5 * lane + index + 1 }
        }
        state = sixth
        return [inSecond, inThird, inFourth, inFifth, inSixth].first { $0 > 0 }
    }

    /// The hash of the 64 bytes before a place.
    private func hash(before place: UnsafePointer<UInt8>) -> UInt64 {
        let reducing = unsafe tables.reducing
        var hash: UInt64 = 0
        for index in -Chunker.windowBytes..<0 {
            unsafe hash =
                (hash << 8 | UInt64(place[index])) ^ reducing[Int(hash >> Chunker.digestShift)]
        }
        return hash
    }

    /// One step: the byte at `place` comes in, the one 64 before it leaves.
    @inline(__always)
    private func step(_ hash: inout UInt64, _ place: UnsafePointer<UInt8>) {
        unsafe hash ^= tables.leaving[Int(place[-Chunker.windowBytes])]
        unsafe hash =
            (hash << 8 | UInt64(place.pointee))
            ^ tables.reducing[Int(hash >> Chunker.digestShift)]
    }
}
