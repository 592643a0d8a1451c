import Platform
import Testing

@testable import Repository

/// Names of blobs as bytes and as text.
struct BlobIDTests {
    @Test("Bytes, text and order agree, for random ids and for every value of a byte")
    func roundTrip() throws {
        let random = (0..<500).map { _ in Random.bytes(32) }
        let even = (0...255).map { [UInt8](repeating: UInt8($0), count: 32) }
        for bytes in random + even {
            let id = try #require(BlobID(bytes: bytes))
            #expect(id.bytes == bytes)
            let text = bytes.map { byte in
                let digits = String(byte, radix: 16)
                return digits.count == 1 ? "0" + digits : digits
            }.joined()
            #expect(id.hex == text)
            #expect(BlobID(hex: text) == id)
            var appended: [UInt8] = [1]
            id.appendHex(to: &appended)
            #expect(appended == [1] + Array(text.utf8))
        }
        let ids = random.compactMap { BlobID(bytes: $0) }
        #expect(ids.sorted().map(\.hex) == ids.map(\.hex).sorted())
    }

    @Test(
        "What is not 64 lower-case digits is no id",
        arguments: [
            "", "0", String(repeating: "a", count: 63), String(repeating: "a", count: 65),
            String(repeating: "A", count: 64), String(repeating: "g", count: 64),
            String(repeating: "a", count: 63) + "é",
        ])
    func refused(text: String) {
        #expect(BlobID(hex: text) == nil)
    }

    @Test("Other than 32 bytes are no id", arguments: [0, 31, 33])
    func length(count: Int) {
        #expect(BlobID(bytes: [UInt8](repeating: 0, count: count)) == nil)
    }
}
