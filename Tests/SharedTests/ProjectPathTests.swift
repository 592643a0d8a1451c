import Shared
import Testing

@Suite("ProjectPath")
struct ProjectPathTests {
    @Test(
        "paths that could leave the project or mean two things are refused with the reason",
        arguments: [
            ("/etc/passwd", "absolute"), ("/", "absolute"), ("../x", ".."), ("a/../b", ".."),
            ("a/..", ".."), ("./a", "."), (".", "."), ("a/./b", "."), ("a//b", "empty"),
            ("a//", "empty"), ("a\0b", "NUL"),
            (String(repeating: "x", count: 256), "255 bytes"),
            (String(repeating: "é", count: 128), "255 bytes"),
            (String(repeating: "ab/", count: 21846), "64 KiB"),
        ])
    func refused(text: String, reason: String) {
        let error = #expect(throws: InvalidPath.self) { try ProjectPath(text) }
        #expect(error?.description.contains(reason) == true)
    }

    @Test(
        "paths inside the project are taken as they are",
        arguments: [
            ("a", ["a"]), ("src/data", ["src", "data"]), ("src/data/", ["src", "data"]),
            ("...", ["..."]), ("..a/b..", ["..a", "b.."]), (" ", [" "]), ("a\nb", ["a\nb"]),
            (".hidden", [".hidden"]), (String(repeating: "x", count: 255), nil),
        ] as [(String, [String]?)])
    func taken(text: String, components: [String]?) throws {
        let path = try ProjectPath(text)
        #expect(path.components == (components ?? [text]).map { Array($0.utf8) })
    }

    @Test("the empty path is the root")
    func root() throws {
        #expect(try ProjectPath("") == .root)
        #expect(ProjectPath.root.bytes.isEmpty)
        #expect(ProjectPath.root.name == nil)
    }

    @Test("bytes that are not UTF-8 survive JSON")
    func rawBytes() throws {
        let path = try ProjectPath(bytes: [0x61, 0x2F, 0xFF, 0xFE, 0x0A])
        let text = try JSON.text(path)
        #expect(text == #"{"base64":"YS///go="}"#)
        #expect(try JSON.decode(ProjectPath.self, from: text.utf8) == path)
    }

    @Test(
        "a document cannot smuggle a bad path in either form",
        arguments: [#""../x""#, #""/x""#, #"{"base64":"Li4veA=="}"#, #"{"base64":"YQBi"}"#, "1"])
    func smuggled(document: String) {
        #expect(throws: DecodingError.self) {
            try JSON.decode(ProjectPath.self, from: document.utf8)
        }
    }

    @Test("random bytes are refused, or survive bytes and JSON without change")
    func roundTrip() throws {
        var random = SeededRandom(seed: 3)
        let alphabet: [UInt8] = [0x2E, 0x2F, 0x61, 0x00, 0xFF, 0xC3, 0xA9, 0x5C, 0x0A, 0x22, 0x62]
        var taken = 0
        for _ in 0..<5000 {
            let count = Int.random(in: 0...12, using: &random)
            let bytes = (0..<count).map { _ in
                alphabet[Int.random(in: 0..<alphabet.count, using: &random)]
            }
            guard let path = try? ProjectPath(bytes: bytes) else { continue }
            taken += 1
            #expect(try ProjectPath(bytes: path.bytes) == path)
            #expect(path.bytes == bytes || path.bytes + [0x2F] == bytes)
            #expect(try JSON.decode(ProjectPath.self, from: try JSON.encode(path)) == path)
            let forbidden: [[UInt8]] = [[], [0x2E], [0x2E, 0x2E]]
            #expect(path.components.allSatisfy { !forbidden.contains($0) && !$0.contains(0) })
        }
        #expect(taken > 500)
    }
}
