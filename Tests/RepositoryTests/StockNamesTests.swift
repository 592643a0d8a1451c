import Platform
import Testing

@testable import Repository

/// Names as stock restic writes them.
@Suite(.timeLimit(.minutes(5)))
struct StockNamesTests {
    @Test("Every code point and every byte is written into a tree as restic writes it")
    func everyCodePoint() async throws {
        let place = try TemporaryDirectory()
        let made = try await ChildProcess.run(
            "python3", ["-c", Self.script, place.path + "/names"], deadline: .seconds(120))
        guard made.isSuccess else { throw CommandFailed("make names", made) }
        let restic = try await StockRestic(at: place.path + "/repository")
        let tree = try await restic.backUp(contentOf: place.path + "/names")
        let json = try await restic.run("cat", "blob", tree).output

        let names = try FileSystemDirectory(path: place.path + "/names").names()
        #expect(names.count > 17_000)
        let nodes = try TreeDecoder.decode(json)
        #expect(nodes.map(\.name) == names)

        // The names' JSON, byte for byte and in order.
        let theirs = Self.nameFields(in: json)
        var differences: [String] = []
        for (name, written) in zip(names, theirs) {
            var ours: [UInt8] = []
            GoJSON.append(string: GoQuote.quote(name), to: &ours)
            if ours != written, differences.count < 10 {
                differences.append(
                    "ours \(String(decoding: ours, as: UTF8.self)), "
                        + "restic's \(String(decoding: written, as: UTF8.self))")
            }
        }
        #expect(theirs.count == names.count)
        #expect(differences == [])
    }

    /// The string literals that follow `{"name":`.
    private static func nameFields(in json: [UInt8]) -> [[UInt8]] {
        let text = String(decoding: json, as: UTF8.self)
        return text.split(separator: "{\"name\":").dropFirst().compactMap { field in
            field.firstRange(of: ",\"type\":").map { Array(field[..<$0.lowerBound].utf8) }
        }
    }

    private static let script = #"""
        import os, sys
        os.makedirs(sys.argv[1])
        os.chdir(sys.argv[1])
        name, count = b"", 0

        def flush():
            global name, count
            if name:
                os.close(os.open(b"%05d-" % count + name, os.O_CREAT | os.O_WRONLY))
                count += 1
            name = b""

        def add(piece):
            global name
            if len(name) + len(piece) > 240:
                flush()
            name += piece

        for code in range(1, 0x110000):
            if code != 0x2f:
                add(chr(code).encode("utf-8", "surrogatepass"))
        flush()
        for byte in range(128, 256):
            add(b"x" + bytes([byte]))
        flush()
        """#
}
