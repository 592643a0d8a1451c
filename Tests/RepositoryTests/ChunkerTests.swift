import Platform
import Testing

@testable import Repository

/// The chunker against a reference written from the format's description alone.
@Suite(.timeLimit(.minutes(3)))
struct ChunkerTests {
    private static var polynomial: ChunkerPolynomial {
        get throws { try ChunkerPolynomial(hex: "3da3358b4dc173") }
    }

    /// Cut by a plain reference (a loop over bytes, windows as arrays) in Python.
    private static let referenceLengths = [
        740_949, 671_306, 589_495, 1_149_265, 816_553, 1_856_529, 1_343_355, 571_698, 2_002_798,
        823_166, 751_346, 927_248, 818_201, 5_858_726, 526_993, 904_224, 619_668,
    ]

    @Test(
        "It cuts where the reference cuts, whatever the pieces it is fed",
        arguments: [1 << 25, 1 << 20, 65_536, 1000, 63, 1])
    func reference(pieceBytes: Int) throws {
        // Pieces of a byte are slow in a debug build: the first three chunks are enough.
        let expected = pieceBytes < 64 ? Array(Self.referenceLengths[..<3]) : Self.referenceLengths
        let bytes = Array(xorshift(20 << 20)[..<expected.reduce(0, +)])
        #expect(try lengths(of: bytes, pieceBytes: pieceBytes) == expected)
    }

    @Test("Chunking begun anew at any boundary finds the same boundaries")
    func restart() throws {
        let bytes = Array(xorshift(20 << 20)[Self.referenceLengths[..<5].reduce(0, +)...])
        #expect(
            try lengths(of: bytes, pieceBytes: 100_000) == Array(Self.referenceLengths[5...]))
    }

    @Test("Zeros are cut at exactly the minimum, into the chunk that every repository has")
    func zeros() throws {
        let zeros = [UInt8](repeating: 0, count: 3 << 20)
        #expect(
            try lengths(of: zeros, pieceBytes: 70_001)
                == [Int](repeating: Chunker.minimumBytes, count: 6))
        let id = BlobID(hashing: [UInt8](repeating: 0, count: Chunker.minimumBytes))
        #expect(id.hex.hasPrefix("07854d2fef29"))
    }

    @Test(
        "No chunk is shorter than the minimum, but for the last, nor longer than the maximum",
        arguments: [0, 1, 524_223, 524_224, 524_225, 524_287, 524_288, 524_289])
    func short(count: Int) throws {
        let bytes = Array(xorshift(1 << 20)[..<count])
        let found = try lengths(of: bytes, pieceBytes: 4096)
        #expect(found.reduce(0, +) == count)
        #expect(found.dropLast().allSatisfy { $0 >= Chunker.minimumBytes })
    }

    @Test("A stream without a boundary is cut at the maximum")
    func maximum() throws {
        // A period of one byte gives the window one value for ever: no boundary, or one at once.
        let bytes = [UInt8](repeating: 1, count: Chunker.maximumBytes * 2 + 5)
        #expect(
            try lengths(of: bytes, pieceBytes: 1 << 20)
                == [Chunker.maximumBytes, Chunker.maximumBytes, 5])
    }

    @Test("Random polynomials are irreducible, and reducible ones are refused")
    func polynomials() throws {
        for _ in 0..<20 {
            let polynomial = try ChunkerPolynomial.random()
            #expect(try ChunkerPolynomial(hex: polynomial.description) == polynomial)
            #expect(ChunkerPolynomial.degree(of: polynomial.bits) == 53)
        }
        // A product of two factors, an even one, one of another degree, and no number.
        for hex in [
            "20000000000001", "3da3358b4dc172", "1da3358b4dc173", "3da3358b4dc17300", "xyz", "",
        ] {
            #expect(throws: RepositoryError.self) { try ChunkerPolynomial(hex: hex) }
        }
        #expect(ChunkerPolynomial.isIrreducible(0b111))
        #expect(ChunkerPolynomial.isIrreducible(0b10011))
        #expect(!ChunkerPolynomial.isIrreducible(0b101))
        #expect(!ChunkerPolynomial.isIrreducible(0b11111 << 1))
    }

    private func lengths(of bytes: [UInt8], pieceBytes: Int) throws -> [Int] {
        var chunker = Chunker(polynomial: try Self.polynomial)
        var lengths: [Int] = []
        var begun = 0
        for start in stride(from: 0, to: bytes.count, by: pieceBytes) {
            let piece = Array(bytes[start..<min(start + pieceBytes, bytes.count)])
            var seen = 0
            while let end = chunker.nextBoundary(in: piece, from: seen) {
                lengths.append(start + end - begun)
                begun = start + end
                seen = end
            }
            #expect(chunker.length == start + piece.count - begun)
        }
        if begun < bytes.count { lengths.append(bytes.count - begun) }
        return lengths
    }

    private func xorshift(_ count: Int) -> [UInt8] {
        var state: UInt64 = 0x9E37_79B9_7F4A_7C15
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count + 8)
        while bytes.count < count {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            unsafe withUnsafeBytes(of: state.littleEndian) { unsafe bytes.append(contentsOf: $0) }
        }
        return bytes
    }
}
