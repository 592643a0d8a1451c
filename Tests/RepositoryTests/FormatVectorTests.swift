import ObjectStore
import Platform
import Testing

@testable import Repository

/// Known answers for what the format is made of.
@Suite(.timeLimit(.minutes(2)))
struct FormatVectorTests {
    /// Bernstein, "The Poly1305-AES message-authentication code", appendix B.
    @Test(
        "Poly1305-AES gives the paper's authenticators",
        arguments: [
            (
                "f3f6", "851fc40c3467ac0be05cc20404f3f700", "ec074c835580741701425b623235add6",
                "fb447350c4e868c52ac3275cf9d4327e", "f4c633c3044fc145f84f335cb81953de"
            ),
            (
                "", "a0f3080000f46400d0c7e9076c834403", "75deaa25c09f208e1dc4ce6b5cad3fbf",
                "61ee09218d29b0aaed7e154a2c5509cc", "dd3fab2251f11ac759f0887129cc2ee7"
            ),
            (
                "663cea190ffb83d89593f3f476b6bc24d7e679107ea26adb8caf6652d0656136",
                "48443d0bb0d21109c89a100b5ce2c208", "6acb5f61a7176dd320c5c1eb2edcdc74",
                "ae212a55399729595dea458bc621ff0e", "0ee1c16bb73f0f4fd19881753c01cdbe"
            ),
        ])
    func poly1305(message: String, r: String, k: String, nonce: String, tag: String) throws {
        let key = try RepositoryKey(
            SecretBytes([UInt8](repeating: 0, count: 32) + bytes(k) + bytes(r)))
        let contexts = try CipherContexts(key: key)
        var found = [UInt8](repeating: 0, count: 16)
        try unsafe bytes(message).withUnsafeBytes { message in
            try unsafe contexts.authenticate(nonce: bytes(nonce), message: message, tag: &found)
        }
        #expect(found == bytes(tag))
    }

    @Test("scrypt gives the answer of RFC 7914, section 12")
    func scrypt() throws {
        let key = try KeyFile.derive(
            SecretBytes(Array("pleaseletmein".utf8)), salt: Array("SodiumChloride".utf8),
            cost: KeyFile.Cost(n: 16384, r: 8, p: 1))
        let expected =
            "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2"
            + "d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887"
        #expect(key.withBytes { $0 } == bytes(expected))
    }

    @Test("Sealing is IV, AES-256-CTR counting from the IV, MAC; opening gives the plaintext back")
    func sealing() throws {
        // NIST SP 800-38A, F.5.5: AES-256-CTR.
        let key = try RepositoryKey(
            SecretBytes(
                bytes("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4")
                    + bytes("ec074c835580741701425b623235add6")
                    + bytes("851fc40c3467ac0be05cc20404f3f700")))
        let iv = bytes("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff")
        let plain = bytes("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51")
        let sealer = Sealer(key: key)
        let sealed = try sealer.seal(plain, iv: iv)
        #expect(sealed.count == plain.count + Sealer.overheadBytes)
        #expect(Array(sealed[..<16]) == iv)
        let cipher = "601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c5"
        #expect(Array(sealed[16..<48]) == bytes(cipher))
        #expect(try sealer.open(sealed, object: "it") == plain)
        for length in [0, 1, 15, 16, 17, 100_001] {
            let plain = Random.bytes(length)
            #expect(try sealer.open(sealer.seal(plain), object: "it") == plain)
        }
    }

    @Test("Every bit of a sealed value counts, and every truncation is noticed")
    func tampering() throws {
        let sealer = Sealer(key: try .random())
        let sealed = try sealer.seal(Array("some plaintext".utf8))
        for bit in 0..<(sealed.count * 8) {
            var altered = sealed
            altered[bit / 8] ^= 1 << UInt8(bit % 8)
            let error = #expect(throws: RepositoryError.self) {
                try sealer.open(altered, object: "it")
            }
            #expect(error?.code == .corrupt(object: "it"))
        }
        for length in 0..<sealed.count {
            #expect(throws: RepositoryError.self) {
                try sealer.open(sealed[..<length], object: "it")
            }
        }
    }

    @Test("One sealer works for many threads at once")
    func threads() async throws {
        let codec = BlobCodec(key: try .random())
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    for _ in 0..<50 {
                        let plain = Random.bytes(10_000)
                        let blob = try codec.encode(plain, id: codec.id(of: plain), kind: .data)
                        let sealed = try #require(blob.sealed)
                        #expect(try codec.sealer.open(sealed, object: "it") == plain)
                    }
                }
            }
            try await group.waitForAll()
        }
    }

    @Test("A pack's header has 37 and 41 bytes for a blob, as the format lays them out")
    func header() throws {
        let id = BlobID(hashing: [1])
        let blobs = [
            PackedBlob(id: id, kind: .data, offset: 0, length: 0x1234, uncompressedLength: nil),
            PackedBlob(
                id: id, kind: .data, offset: 0x1234, length: 33, uncompressedLength: 0x0102_0304),
        ]
        let encoded = PackHeader.encode(blobs)
        #expect(encoded.count == 37 + 41)
        #expect(Array(encoded[..<5]) == [0, 0x34, 0x12, 0, 0])
        #expect(Array(encoded[5..<37]) == id.bytes)
        #expect(Array(encoded[37..<46]) == [2, 33, 0, 0, 0, 4, 3, 2, 1])
        #expect(try PackHeader.decode(encoded, object: "it") == blobs)
        #expect(PackHeader.packBytes(of: blobs) == 0x1234 + 33 + 78 + 32 + 4)
    }

    @Test(
        "Headers beyond the limits are refused",
        arguments: [
            [4, 40, 0, 0, 0] + [UInt8](repeating: 0, count: 32),
            [0, 31, 0, 0, 0] + [UInt8](repeating: 0, count: 32),
            [2, 40, 0, 0, 0, 0, 0, 0, 0x40] + [UInt8](repeating: 0, count: 32),
            [0, 40, 0, 0, 0] + [UInt8](repeating: 0, count: 31),
            [UInt8]([0, 0xff, 0xff, 0xff, 0xff] + [UInt8](repeating: 0, count: 32))
                + [0, 40, 0, 0, 0] + [UInt8](repeating: 0, count: 32),
        ])
    func headerLimits(bytes: [UInt8]) {
        #expect(throws: RepositoryError.self) { try PackHeader.decode(bytes, object: "it") }
    }

    @Test(
        "A header's length is held against the pack's", arguments: [0, 68, 1 << 24 | 1, 2_000_000])
    func headerRange(length: Int) {
        var last: [UInt8] = []
        last.append(littleEndian: UInt32(length))
        #expect(throws: RepositoryError.self) {
            try PackHeader.range(packBytes: 1_000_000, last: last, object: "it")
        }
    }

    @Test("scrypt parameters that would take all memory or time are refused")
    func costs() {
        for (n, r, p) in [
            (1 << 25, 8, 1), (1000, 8, 1), (0, 8, 1), (1 << 20, 1 << 10, 1), (32768, 8, 1 << 10),
            (32768, 0, 1), (-2, 8, 1),
        ] {
            #expect(throws: RepositoryError.self) { try KeyFile.Cost(n: n, r: r, p: p) }
        }
    }

    @Test("zstd never gives more than the limit, whatever a frame says")
    func decompression() throws {
        let compression = Compression()
        let bomb = try compression.compress([UInt8](repeating: 0, count: 10 << 20))
        #expect(bomb.count < 2000)
        let error = #expect(throws: RepositoryError.self) {
            try compression.decompress(bomb[...], limitBytes: 1 << 20, object: "it")
        }
        #expect(error?.code == .limitExceeded)
        #expect(
            try compression.decompress(bomb[...], limitBytes: 10 << 20, object: "it").count
                == 10 << 20)
    }

    private func bytes(_ hex: String) -> [UInt8] {
        stride(from: 0, to: hex.count, by: 2).compactMap {
            UInt8(hex.dropFirst($0).prefix(2), radix: 16)
        }
    }
}
