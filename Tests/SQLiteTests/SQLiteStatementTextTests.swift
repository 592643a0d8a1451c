import Testing

@testable import SQLite

@Suite("A statement's text")
struct SQLiteStatementTextTests {
    @Test("takes a value only as a bound parameter")
    func values() {
        let hostile = "'; DROP TABLE volumes; --"
        let text: SQLiteStatementText = "SELECT \(hostile), \(1), \(Int?.none)"
        #expect(text.sql == "SELECT ?, ?, ?")
        #expect(text.values == [.text(hostile), .integer(1), .null])
    }

    @Test("quotes names")
    func identifiers() {
        let text: SQLiteStatementText = "SELECT * FROM \(identifier: "a\"b")"
        #expect(text.sql == "SELECT * FROM \"a\"\"b\"")
    }

    @Test("joins pieces with their values in order")
    func fragments() {
        let condition: SQLiteStatementText = "a = \(1)"
        let text: SQLiteStatementText = "SELECT \("x") WHERE \(fragment: condition) AND b = \(2.5)"
        #expect(text.sql == "SELECT ? WHERE a = ? AND b = ?")
        #expect(text.values == ["x", 1, 2.5])
    }
}
