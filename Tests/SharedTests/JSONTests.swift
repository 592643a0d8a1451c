import Shared
import Testing

@Suite("JSON")
struct JSONTests {
    @Test("keys are sorted, slashes plain and equal values equal bytes")
    func canonical() throws {
        let value: JSONValue = .object(["b": .string("a/b"), "a": .integer(1), "c": .null])
        #expect(try JSON.text(value) == #"{"a":1,"b":"a/b","c":null}"#)
    }

    @Test(
        "any document survives",
        arguments: [
            "null", "true", "false", "0", "-1", "9223372036854775807", "-9223372036854775808",
            "1.5", #""""#, #""é\u0000\"\\""#, "[]", "{}", #"{"a":[1,{"b":null}],"c":"d"}"#,
        ])
    func survives(text: String) throws {
        let value = try JSON.decode(JSONValue.self, from: text.utf8)
        #expect(try JSON.decode(JSONValue.self, from: try JSON.encode(value)) == value)
    }

    @Test("numbers keep their kind: a large integer is not rounded, a fraction not cut")
    func numbers() throws {
        let large = try JSON.decode(JSONValue.self, from: "9007199254740993".utf8)
        #expect(large == .integer(9_007_199_254_740_993))
        #expect(try JSON.decode(JSONValue.self, from: "0.1".utf8) == .number(0.1))
        #expect(try JSON.decode(JSONValue.self, from: "true".utf8) == .bool(true))
        #expect(try JSON.decode(JSONValue.self, from: "1".utf8) == .integer(1))
    }

    @Test("random documents survive")
    func property() throws {
        var random = SeededRandom(seed: 5)
        for _ in 0..<300 {
            let value = Self.document(&random, depth: 4)
            #expect(try JSON.decode(JSONValue.self, from: try JSON.encode(value)) == value)
        }
    }

    private static func document(_ random: inout SeededRandom, depth: Int) -> JSONValue {
        switch Int.random(in: 0..<(depth > 0 ? 6 : 4), using: &random) {
        case 0: return .null
        case 1: return .bool(Bool.random(using: &random))
        case 2: return .integer(Int64.random(in: Int64.min...Int64.max, using: &random))
        case 3:
            let scalars = (0..<3).compactMap { _ in
                UnicodeScalar(UInt32.random(in: 0...0x10FFFF, using: &random))
            }
            return .string(String(String.UnicodeScalarView(scalars)))
        case 4: return .array((0..<3).map { _ in document(&random, depth: depth - 1) })
        default:
            var members: [String: JSONValue] = [:]
            for _ in 0..<3 {
                members["k\(random.next() % 100)"] = document(&random, depth: depth - 1)
            }
            return .object(members)
        }
    }

    @Test(
        "what is not JSON is refused",
        arguments: ["", "{", "[1 2]", "{'a':1}", "nul", "01", "\u{FEFF}x", #""\ud800""#])
    func refused(text: String) {
        #expect(throws: (any Error).self) { try JSON.decode(JSONValue.self, from: text.utf8) }
    }

    @Test("nesting without end is refused rather than followed", .timeLimit(.minutes(1)))
    func deep() {
        let text = String(repeating: "[", count: 100_000) + String(repeating: "]", count: 100_000)
        #expect(throws: (any Error).self) { try JSON.decode(JSONValue.self, from: text.utf8) }
    }

    @Test("unknown members are passed over, unknown words of an enumeration refused")
    func tolerance() throws {
        let known = #"{"code":"x","message":"m","class":"terminal","later":1}"#
        #expect(try JSON.decode(Failure.self, from: known.utf8).code == "x")
        let unknown = #"{"code":"x","message":"m","class":"sometimes"}"#
        let error = #expect(throws: DecodingError.self) {
            try JSON.decode(Failure.self, from: unknown.utf8)
        }
        #expect("\(error, default: "none")".contains("sometimes"))
    }
}
