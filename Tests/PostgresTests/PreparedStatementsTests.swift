import Testing

@testable import Postgres

@Suite("The statements that a connection keeps")
struct PreparedStatementsTests {
    private func key(_ sql: String, _ types: [PostgresType] = []) -> PreparedStatements.Key {
        PreparedStatements.Key(sql: sql, types: types)
    }

    @Test("are prepared once per text and types")
    func once() {
        var statements = PreparedStatements(limit: 4)
        #expect(statements.lookUp(key("a")) == .new("s1"))
        #expect(statements.insert(key("a"), name: "s1") == nil)
        #expect(statements.lookUp(key("a")) == .known("s1"))
        #expect(statements.lookUp(key("a", [.int8])) == .new("s2"))
    }

    @Test("the one used longest ago makes room")
    func eviction() {
        var statements = PreparedStatements(limit: 2)
        for text in ["a", "b"] {
            guard case .new(let name) = statements.lookUp(key(text)) else { continue }
            #expect(statements.insert(key(text), name: name) == nil)
        }
        #expect(statements.lookUp(key("a")) == .known("s1"))
        #expect(statements.lookUp(key("c")) == .new("s3"))
        #expect(statements.insert(key("c"), name: "s3") == "s2")
        #expect(statements.count == 2)
        #expect(statements.lookUp(key("a")) == .known("s1"))
    }
}
