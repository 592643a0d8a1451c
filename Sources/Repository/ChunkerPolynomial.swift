/// An irreducible polynomial over GF(2) of degree 53, the secret of a repository's chunker.
///
/// Bit i is the coefficient of x^i (restic chunker, `Pol`).
public struct ChunkerPolynomial: Hashable, Sendable, CustomStringConvertible {
    /// The degree that every polynomial here has.
    public static let degree = 53

    /// The coefficients.
    public let bits: UInt64

    /// - Throws: `RepositoryError` with code `unsupported` for another degree or a reducible
    ///   polynomial, which would weaken the chunker.
    public init(bits: UInt64) throws {
        guard Self.degree(of: bits) == Self.degree, Self.isIrreducible(bits) else {
            throw RepositoryError(
                code: .unsupported,
                message: "the chunker polynomial \(String(bits, radix: 16)) "
                    + "is not an irreducible one of degree 53")
        }
        self.bits = bits
    }

    /// - Parameter hex: the coefficients in hexadecimal, as in a repository's `config`.
    /// - Throws: `RepositoryError` with code `unsupported`.
    public init(hex: String) throws {
        guard hex.utf8.count <= 16, let bits = UInt64(hex, radix: 16) else {
            throw RepositoryError(
                code: .unsupported,
                message: "the chunker polynomial is not a number: \(hex.prefix(40))")
        }
        try self.init(bits: bits)
    }

    /// A random irreducible polynomial; about one candidate in 53 is one.
    ///
    /// - Throws: `RepositoryError` with code `library`.
    public static func random() throws -> ChunkerPolynomial {
        for _ in 0..<1_000_000 {
            let word = try randomBytes(8).reduce(0) { $0 << 8 | UInt64($1) }
            let candidate = word & ((1 << 54) - 1) | 1 << 53 | 1
            if isIrreducible(candidate) { return try ChunkerPolynomial(bits: candidate) }
        }
        throw RepositoryError(code: .library, message: "found no irreducible polynomial")
    }

    /// The hexadecimal digits, as in `config`.
    public var description: String { String(bits, radix: 16) }

    /// The degree, -1 for the zero polynomial.
    static func degree(of polynomial: UInt64) -> Int { 63 - polynomial.leadingZeroBitCount }

    /// The remainder of a division.
    static func remainder(_ dividend: UInt64, by divisor: UInt64) -> UInt64 {
        let divisorDegree = degree(of: divisor)
        var rest = dividend
        while degree(of: rest) >= divisorDegree {
            rest ^= divisor << UInt64(degree(of: rest) - divisorDegree)
        }
        return rest
    }

    /// The product modulo `modulus`, whose degree is at most 62; both factors are reduced.
    static func product(_ left: UInt64, _ right: UInt64, modulo modulus: UInt64) -> UInt64 {
        let top = UInt64(1) << UInt64(degree(of: modulus))
        var answer: UInt64 = 0
        var shifted = left
        var rest = right
        while rest != 0 {
            if rest & 1 == 1 { answer ^= shifted }
            rest >>= 1
            shifted <<= 1
            if shifted & top != 0 { shifted ^= modulus }
        }
        return answer
    }

    static func greatestCommonDivisor(_ left: UInt64, _ right: UInt64) -> UInt64 {
        var (first, second) = (left, right)
        while second != 0 { (first, second) = (second, remainder(first, by: second)) }
        return first
    }

    /// Ben-Or's test: f of degree n is irreducible if and only if gcd(x^(2^i) - x, f) = 1 for
    /// i = 1 … n/2.
    static func isIrreducible(_ polynomial: UInt64) -> Bool {
        let degree = degree(of: polynomial)
        guard (1...62).contains(degree) else { return false }
        guard degree > 1 else { return true }
        var power: UInt64 = 2
        for _ in 0..<(degree / 2) {
            power = product(power, power, modulo: polynomial)
            // x itself reduced is x, since the degree is above 1.
            guard greatestCommonDivisor(polynomial, power ^ 2) == 1 else { return false }
        }
        return true
    }
}
