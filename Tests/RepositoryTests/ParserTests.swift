import ObjectStore
import Platform
import Testing

@testable import Repository

/// Parsers fed with nonsense: they answer or throw, and never crash or hang.
@Suite(.timeLimit(.minutes(5)))
struct ParserTests {
    /// Cases per parser; six parsers.
    private static let rounds = 2_000

    @Test(
        "Random bytes, truncations and changed bytes never crash a parser",
        arguments: Parser.allCases)
    func nonsense(parser: Parser) throws {
        var random = SeededRandom(state: UInt64(parser.rawValue.utf8.count) &* 77 | 1)
        let codec = BlobCodec(key: try .random())
        let valid = try parser.sample(codec)
        try parser.parse(valid, codec)
        var refused = 0
        for round in 0..<Self.rounds {
            var bytes: [UInt8]
            switch round % 4 {
            case 0:
                bytes = (0..<Int.random(in: 0...300, using: &random)).map { _ in
                    UInt8.random(in: 0...255, using: &random)
                }
            case 1: bytes = Array(valid[..<Int.random(in: 0..<valid.count, using: &random)])
            case 2:
                bytes = valid
                for _ in 0..<Int.random(in: 1...4, using: &random) {
                    bytes[Int.random(in: 0..<bytes.count, using: &random)] =
                        UInt8.random(in: 0...255, using: &random)
                }
            default:
                let cut = Int.random(in: 0..<valid.count, using: &random)
                bytes = Array(valid[cut...] + valid[..<cut])
            }
            do {
                try parser.parse(bytes, codec)
            } catch is RepositoryError {
                refused += 1
            }
        }
        #expect(refused > Self.rounds / 3)
    }

    enum Parser: String, CaseIterable {
        case packHeader, index, snapshot, lock, unpacked, keyFile, zstd

        func sample(_ codec: BlobCodec) throws -> [UInt8] {
            let id = BlobID(hashing: [1])
            let blob = PackedBlob(
                id: id, kind: .tree, offset: 0, length: 99, uncompressedLength: 300)
            switch self {
            case .packHeader: return PackHeader.encode([blob, blob, blob])
            case .index:
                return try IndexFile(packs: [.init(id: id, bytes: 999, blobs: [blob])]).encode()
            case .snapshot:
                return try JSONFile.encode(
                    SnapshotFile(time: .now(), tree: id, paths: ["/"], hostname: "a"))
            case .lock:
                return try JSONFile.encode(
                    LockFile(time: .now(), exclusive: true, hostname: "a", username: "b", pid: 1))
            case .unpacked: return try [2] + codec.compression.compress(Array("{}".utf8))
            case .keyFile:
                return try KeyFile(
                    sealing: .random(), password: SecretBytes([1]),
                    origin: RepositoryFixture.origin, cost: KeyFile.Cost(n: 2, r: 1, p: 1)
                ).bytes
            case .zstd: return try codec.compression.compress(Random.bytes(100) + [0, 0, 0, 0])
            }
        }

        func parse(_ bytes: [UInt8], _ codec: BlobCodec) throws {
            switch self {
            case .packHeader:
                _ = try PackHeader.decode(bytes, object: "it")
                _ = try? PackHeader.range(packBytes: 1 << 20, last: bytes, object: "it")
            case .index: _ = try IndexFile.decode(bytes, object: "it")
            case .snapshot: _ = try JSONFile.decode(SnapshotFile.self, from: bytes, object: "it")
            case .lock: _ = try JSONFile.decode(LockFile.self, from: bytes, object: "it")
            case .unpacked:
                _ = try UnpackedFile.decode(codec.sealer.seal(bytes), object: "it", with: codec)
            case .keyFile:
                _ = try KeyFile(bytes: bytes).open(password: SecretBytes([1]), object: "it")
            case .zstd:
                _ = try codec.compression.decompress(bytes[...], limitBytes: 1 << 20, object: "it")
            }
        }
    }
}
