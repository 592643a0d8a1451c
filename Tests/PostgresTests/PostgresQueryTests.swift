import Testing

@testable import Postgres

@Suite("A query written with interpolation")
struct PostgresQueryTests {
    @Test("never takes a value as text")
    func values() {
        let hostile = "'; DROP TABLE projects; --"
        let query: PostgresQuery = "SELECT \(hostile), \(1), \(Int?.none), \([1, 2])"
        #expect(query.sql == "SELECT $1, $2, $3, $4")
        #expect(
            query.parameters.map(\.value) == [
                .text(hostile), .text("1"), .null, .text("{\"1\",\"2\"}"),
            ])
        #expect(query.parameters.map(\.type) == [.inferred, .int8, .int8, .int8Array])
    }

    @Test(
        "quotes names",
        arguments: [("plain", "\"plain\""), ("a\"b", "\"a\"\"b\""), ("a\0b", "\"a\u{FFFD}b\"")])
    func identifiers(name: String, quoted: String) {
        let query: PostgresQuery = "LISTEN \(identifier: name)"
        #expect(query.sql == "LISTEN " + quoted)
        #expect(query.parameters.isEmpty)
    }

    @Test("numbers the parameters of its pieces anew")
    func fragments() {
        let condition: PostgresQuery = "b = \(2) AND c = \(3)"
        let query: PostgresQuery = "SELECT \(1) WHERE \(fragment: condition) AND d = \(4)"
        #expect(query.sql == "SELECT $1 WHERE b = $2 AND c = $3 AND d = $4")
        #expect((query + " LIMIT \(5)").sql == query.sql + " LIMIT $5")
    }
}
