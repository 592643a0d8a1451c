import Glibc
import ObjectStore
import Platform
import Testing

@testable import Repository

/// Parsers fed with nonsense: they answer or throw, and never crash or hang.
@Suite
struct ParserTests {
    /// Cases for each parser.
    private static let rounds = 2_000

    @Test(
        "Random bytes, truncations and changed bytes never crash a parser",
        .timeLimit(.minutes(5)), arguments: Parser.allCases)
    func nonsense(parser: Parser) throws {
        let seed = UInt64(parser.rawValue.utf8.count) &* 77 | 1
        let refused = try Self.feed(parser, rounds: Self.rounds, seed: seed)
        #expect(refused > Self.rounds / 3)
    }

    /// The long form, `make soak-repository`: BERTH_FUZZ_ROUNDS cases for each parser, by a seed
    /// that is told, in bounded memory.
    @Test(
        "A million cases for each parser, in bounded memory",
        .enabled(if: PruneTests.isSoak), .timeLimit(.minutes(120)), arguments: Parser.allCases)
    func soak(parser: Parser) throws {
        let text = unsafe getenv("BERTH_FUZZ_ROUNDS").map { unsafe String(cString: $0) }
        let rounds = text.flatMap { Int($0) } ?? 1_000_000
        let seed = UInt64.random(in: .min ... .max) | 1
        print("\(parser) seed \(seed)")
        let refused = try Self.feed(parser, rounds: rounds, seed: seed)
        #expect(refused > rounds / 3, "seed \(seed)")
        var usage = rusage()
        #expect(unsafe getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage) == 0)
        #expect(usage.ru_maxrss < 1 << 20, "\(usage.ru_maxrss) KiB, seed \(seed)")
    }

    /// Feeds a parser; answers how often it refused.
    ///
    /// - Throws: what is no refusal.
    private static func feed(_ parser: Parser, rounds: Int, seed: UInt64) throws -> Int {
        var random = SeededRandom(state: seed)
        let codec = BlobCodec(key: try .random())
        let valid = try parser.sample(codec)
        try parser.parse(valid, codec)
        var refused = 0
        for round in 0..<rounds {
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
        return refused
    }

    enum Parser: String, CaseIterable {
        case packHeader, index, snapshot, lock, tree, config, unpacked, keyFile, zstd

        func sample(_ codec: BlobCodec) throws -> [UInt8] {
            let id = BlobID(hashing: [1])
            let blob = PackedBlob(
                id: id, kind: .tree, offset: 0, length: 99, uncompressedLength: 300)
            switch self {
            case .packHeader: return PackHeader.encode([blob, blob, blob])
            case .index:
                return IndexFile(packs: [.init(id: id, bytes: 999, blobs: [blob])]).encode()
            case .snapshot:
                return try JSONFile.encode(
                    SnapshotFile(time: .now(), tree: id, paths: ["/"], hostname: "a"))
            case .lock:
                return try JSONFile.encode(
                    LockFile(time: .now(), exclusive: true, hostname: "a", username: "b", pid: 1))
            case .tree:
                var node = Node(
                    name: Array("a \"name\" \n".utf8), kind: .file, mode: NodeMode(rawValue: 0o644),
                    modified: NodeTime(seconds: 1_700_000_000, nanoseconds: 5), uid: 1, gid: 2)
                (node.sizeBytes, node.content) = (5, [id])
                node.extendedAttributes = [.init(name: Array("user.x".utf8), value: [1, 2, 3])]
                var below = Node(
                    name: Array("below".utf8), kind: .directory, mode: NodeMode(rawValue: 0o755),
                    modified: NodeTime(seconds: 1), uid: 0, gid: 0)
                below.subtree = id
                return TreeEncoder.encode([node, below])
            case .config:
                return try codec.sealer.open(
                    try RepositoryConfig.random().seal(with: codec.sealer), object: "it")
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
            case .tree: _ = try TreeDecoder.decode(bytes)
            case .config:
                _ = try RepositoryConfig.open(codec.sealer.seal(bytes), with: codec.sealer)
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
