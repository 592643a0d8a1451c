import FoundationEssentials
import Glibc
import Platform
import Testing

@Suite("Logger", .timeLimit(.minutes(1)))
struct LoggerTests {
    private struct Line: Decodable {
        let time: String
        let level: String
        let message: String
        let host: String?
        let count: Int?
        let secret: String?
    }

    /// What a logger writes to a file.
    private func written(
        _ format: LogOutput.Format, level: LogLevel = .debug, _ body: (Logger) -> Void
    ) throws -> [UInt8] {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/log"
        let file = try Descriptor(opening: path, flags: O_WRONLY | O_CREAT | O_APPEND)
        let output = try file.withNumber { try LogOutput(descriptor: $0, format: format) }
        body(Logger(output: output, level: level, metadata: ["host": "alpha"]))
        return try DurableFile.read(path)
    }

    @Test("an entry is one line of JSON, whatever the values hold")
    func json() throws {
        let awkward = "quote \" backslash \\ break \n escape \u{1b}[2J é"
        let bytes = try written(.json) { logger in
            logger.info(
                "A thing happened.",
                ["host": "\(awkward)", "count": 7, "secret": .init(SecretBytes([1, 2, 3]))])
        }
        #expect(bytes.filter { $0 == 10 }.count == 1)
        #expect(!bytes.contains(0x1b))
        let line = try JSONDecoder().decode(Line.self, from: Data(bytes))
        #expect(line.level == "info")
        #expect(line.message == "A thing happened.")
        #expect(line.host == awkward)
        #expect(line.count == 7)
        #expect(line.secret == "[redacted]")
        #expect(line.time.count == 24)
    }

    @Test("text is time, level, sentence and metadata")
    func text() throws {
        let bytes = try written(.text) { $0.warning("It healed.", ["after": .init(.seconds(2))]) }
        let line = String(decoding: bytes, as: UTF8.self)
        #expect(line.hasSuffix("Z warning It healed. after=2.0 host=alpha\n"))
    }

    @Test("what is below the level is not written", arguments: LogLevel.allCases)
    func levels(level: LogLevel) throws {
        let bytes = try written(.text, level: level) { logger in
            for each in LogLevel.allCases { logger.log(each, "Something.", [:]) }
        }
        let expected = LogLevel.allCases.filter { $0 >= level }.count
        #expect(bytes.filter { $0 == 10 }.count == expected)
    }

    @Test("a pipe that nobody reads costs lines and not the program; the loss is told later")
    func fullPipe() throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/pipe"
        try systemCall("mkfifo") { unsafe mkfifo(path, 0o600) }
        let reader = try Descriptor(opening: path, flags: O_RDONLY | O_NONBLOCK)
        let writer = try Descriptor(opening: path, flags: O_WRONLY)
        let output = try writer.withNumber { try LogOutput(descriptor: $0, format: .text) }
        let logger = Logger(output: output)
        let start = ContinuousClock.now
        for _ in 0..<5000 { logger.info("A line that is repeated until the pipe is full.") }
        #expect(ContinuousClock.now - start < .seconds(5))
        var chunk = [UInt8](repeating: 0, count: 1 << 20)
        let filled = reader.withNumber { unsafe read($0, &chunk, chunk.count) }
        #expect(filled > 60000)
        logger.info("The reader is back.")
        let got = reader.withNumber { unsafe read($0, &chunk, chunk.count) }
        let text = String(decoding: chunk.prefix(max(0, got)), as: UTF8.self)
        #expect(text.contains("Log lines were dropped because nobody read them. lines="))
        #expect(text.contains("The reader is back."))
    }

    @Test(
        "times are RFC 3339 in UTC",
        arguments: [
            (0, "1970-01-01T00:00:00.000Z"), (-1, "1969-12-31T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_767_225_599_999, "2025-12-31T23:59:59.999Z"),
            (4_107_542_400_001, "2100-03-01T00:00:00.001Z"),
        ])
    func times(milliseconds: Int64, text: String) {
        #expect(UTCTime(millisecondsSinceEpoch: milliseconds).description == text)
    }
}
