/// The two tables of the rolling hash for one polynomial (restic chunker, `fillTables`).
@safe final class ChunkerTables: Sendable {
    // Written in `init` and freed in `deinit` only.
    /// `leaving[b]` = b·x^(8·63) mod P: what a byte leaving the window contributed.
    nonisolated(unsafe) let leaving: UnsafeMutablePointer<UInt64>
    /// `reducing[i]` = (i·x^53 mod P) | i << 53: cancels the bits above the degree.
    nonisolated(unsafe) let reducing: UnsafeMutablePointer<UInt64>

    init(polynomial: ChunkerPolynomial) {
        unsafe leaving = .allocate(capacity: 256)
        unsafe reducing = .allocate(capacity: 256)
        for byte in 0..<256 {
            var hash = ChunkerPolynomial.remainder(UInt64(byte), by: polynomial.bits)
            for _ in 0..<(Chunker.windowBytes - 1) {
                hash = ChunkerPolynomial.remainder(hash << 8, by: polynomial.bits)
            }
            unsafe leaving[byte] = hash
            let high = UInt64(byte) << UInt64(ChunkerPolynomial.degree)
            unsafe reducing[byte] =
                ChunkerPolynomial.remainder(high, by: polynomial.bits) | high
        }
    }

    deinit {
        unsafe leaving.deallocate()
        unsafe reducing.deallocate()
    }
}
