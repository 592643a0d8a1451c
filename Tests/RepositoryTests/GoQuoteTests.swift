import Testing

@testable import Repository

struct GoQuoteTests {
    @Test(
        "Names are quoted as Go quotes them",
        arguments: [
            ("plain", "plain"), ("a\"b", "a\\\"b"), ("a\\b", "a\\\\b"), ("\n\t\r", "\\n\\t\\r"),
            ("\u{7}\u{8}\u{B}\u{C}", "\\a\\b\\v\\f"), ("\u{1}\u{7F}", "\\x01\\x7f"),
            ("é", "é"), ("\u{200B}", "\\u200b"), ("\u{AD}", "\\u00ad"), ("\u{FFFD}", "\u{FFFD}"),
            ("😀", "😀"), ("\u{E000}", "\\ue000"), ("\u{10FFFF}", "\\U0010ffff"),
            ("\u{2028}", "\\u2028"), ("\u{A0}", "\\u00a0"), ("<&>", "<&>"),
        ])
    func quoting(name: String, quoted: String) {
        #expect(String(decoding: GoQuote.quote(Array(name.utf8)), as: UTF8.self) == quoted)
        #expect(GoQuote.unquote(Array(quoted.utf8)) == Array(name.utf8))
    }

    @Test("Any bytes survive quoting, as JSON too")
    func anyBytes() throws {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<20_000 {
            let count = Int.random(in: 1...24, using: &random)
            let isWide = Bool.random(using: &random)
            let bytes =
                isWide
                ? (0..<count).flatMap { _ in
                    Array(
                        String(
                            Unicode.Scalar(UInt32.random(in: 0...0x10FFFF, using: &random))
                                ?? "\u{FFFD}"
                        ).utf8)
                }
                : (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
            let quoted = GoQuote.quote(bytes)
            #expect(GoQuote.unquote(quoted) == bytes)
            var json: [UInt8] = []
            GoJSON.append(string: quoted, to: &json)
            var cursor = GoJSONCursor(json)
            #expect(try cursor.string() == quoted)
        }
    }

    @Test(
        "What is no Go literal is refused",
        arguments: ["\"", "\\", "\\q", "\\x1", "\\xzz", "\\u12", "\\ud800", "\\U00110000", "\n"])
    func refusal(quoted: String) {
        #expect(GoQuote.unquote(Array(quoted.utf8)) == nil)
    }

    @Test("Octal escapes and lone surrogates of JSON read as in Go")
    func leniency() throws {
        #expect(GoQuote.unquote(Array("\\101\\377".utf8)) == [0x41, 0xFF])
        var cursor = GoJSONCursor(Array(#""\ud83d\ude00\ud83dx""#.utf8))
        #expect(String(decoding: try cursor.string(), as: UTF8.self) == "😀\u{FFFD}x")
    }

    @Test(
        "Times are written as Go writes them and read back",
        arguments: [
            (NodeTime(seconds: 0), "1970-01-01T00:00:00Z"),
            (
                NodeTime(seconds: 1_600_000_000, nanoseconds: 123_456_789),
                "2020-09-13T12:26:40.123456789Z"
            ),
            (NodeTime(seconds: -1, nanoseconds: 500_000_000), "1969-12-31T23:59:59.5Z"),
            (NodeTime(seconds: 951_782_400, nanoseconds: 10), "2000-02-29T00:00:00.00000001Z"),
            (NodeTime(seconds: Int64.min), "0000-01-01T00:00:00Z"),
            (NodeTime(seconds: Int64.max), "9999-12-31T23:59:59.999999999Z"),
        ])
    func times(time: NodeTime, text: String) {
        var json: [UInt8] = []
        time.append(to: &json)
        #expect(String(decoding: json, as: UTF8.self) == "\"\(text)\"")
        #expect(NodeTime(rfc3339: Array(text.utf8)) == time)
    }

    @Test("A time with a zone is the same instant")
    func zones() {
        let zoned = NodeTime(rfc3339: Array("2020-09-13T14:26:40.5+02:00".utf8))
        #expect(zoned == NodeTime(seconds: 1_600_000_000, nanoseconds: 500_000_000))
    }
}
