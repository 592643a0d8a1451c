import Glibc
import Platform
import Testing

@testable import ObjectStore

/// The XML that a provider lists objects with, fed with nonsense: it answers or throws, and never
/// crashes, hangs or takes memory without bound.
@Suite
struct ListingFuzzTests {
    private static let valid = Array(
        """
        <?xml version="1.0" encoding="UTF-8"?>
        <ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name>\
        <Prefix>p/</Prefix><IsTruncated>true</IsTruncated><KeyCount>2</KeyCount>\
        <EncodingType>url</EncodingType><NextContinuationToken>t&amp;k</NextContinuationToken>\
        <Contents><Key>p/data/ab/%C3%A4</Key><Size>12345</Size><ETag>"x"</ETag></Contents>\
        <Contents><Key>p/index/cd</Key><Size>0</Size></Contents></ListBucketResult>
        """.utf8)
    private static let texts = [
        "<", ">", "</", "/>", "&", "&amp;", "&#0;", "&#xFFFFFF;", "&x;", "<![CDATA[", "]]>",
        "<!--", "-->", "<!DOCTYPE a [<!ENTITY x \"y\">]>", "<?xml?>", "<a>", "</a>",
        "<Contents>", "<Key>", "<Size>-1</Size>", "99999999999999999999", "%", "%00", "%zz",
        "\u{FEFF}", "xmlns:a=\"b\"",
    ]
    private static let words =
        texts.map { Array($0.utf8) } + [[0], [0xFF, 0xFE], [0xC3], [0xED, 0xA0, 0x80]]

    @Test("Changed listings never crash the parser", .timeLimit(.minutes(2)))
    func nonsense() throws {
        let refused = try Self.feed(rounds: 5_000, seed: 4_711)
        #expect(refused > 1_000)
    }

    @Test(
        "A million of them, in bounded memory",
        .enabled(if: unsafe getenv("BERTH_SOAK") != nil), .timeLimit(.minutes(60)))
    func soak() throws {
        let text = unsafe getenv("BERTH_FUZZ_ROUNDS").map { unsafe String(cString: $0) }
        let rounds = text.flatMap { Int($0) } ?? 1_000_000
        let seed = UInt64.random(in: .min ... .max) | 1
        print("XML list: \(rounds) cases, seed \(seed)")
        #expect(try Self.feed(rounds: rounds, seed: seed) > rounds / 5, "seed \(seed)")
        var usage = rusage()
        #expect(unsafe getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage) == 0)
        #expect(usage.ru_maxrss < 1 << 20, "\(usage.ru_maxrss) KiB, seed \(seed)")
    }

    /// Feeds the parser and reads what a listing reads; answers how often it refused.
    private static func feed(rounds: Int, seed: UInt64) throws -> Int {
        var state = seed
        func next(_ bound: Int) -> Int {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return Int((state &* 0x2545_F491_4F6C_DD1D) >> 33) % bound
        }
        let whole = try XMLElement.parse(valid)
        #expect(whole.all("Contents").count == 2)
        var refused = 0
        for _ in 0..<rounds {
            var bytes = valid
            for _ in 0...next(4) where !bytes.isEmpty {
                let start = next(bytes.count)
                let end = min(bytes.count, start + next(12))
                switch next(5) {
                case 0: bytes[start] = UInt8(next(256))
                case 1: bytes.removeSubrange(start..<end)
                case 2: bytes.removeLast(bytes.count - start)
                case 3:
                    let part = Array(bytes[start..<end])
                    bytes.insert(contentsOf: (0..<next(60)).flatMap { _ in part }, at: start)
                default: bytes.replaceSubrange(start..<end, with: words[next(words.count)])
                }
            }
            do {
                let document = try XMLElement.parse(bytes)
                for content in document.all("Contents") {
                    _ = content["Size"].flatMap { Int64($0) }
                    _ = content["Key"].flatMap { S3Text.decoded($0) }
                }
            } catch {
                guard error.code == .failed else { throw error }
                refused += 1
            }
        }
        return refused
    }
}
