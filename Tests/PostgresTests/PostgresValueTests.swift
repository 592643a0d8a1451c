import Postgres
import Testing

private enum Colour: String, PostgresEncodable, PostgresDecodable, Equatable {
    case red, green
}

@Suite("Values on their way through a real server", .timeLimit(.minutes(2)))
struct PostgresValueTests {
    @Test("come back as they went")
    func roundTrip() async throws {
        try await withTestConnection { connection in
            func check<Value: PostgresEncodable & PostgresDecodable & Equatable>(
                _ values: [Value], as type: PostgresQuery
            ) async throws {
                for value in values {
                    let result = try await connection.query("SELECT \(value)::\(fragment: type)")
                    #expect(try result.rows[0][0].decode(Value.self) == value)
                    let none = try await connection.query(
                        "SELECT \(Value?.none)::\(fragment: type) AS n")
                    #expect(try none.rows[0].decode("n", as: Value?.self) == nil)
                }
            }
            try await check(["", "it's \"so\" \\ \n", "☃ 🧭 é", "NULL", "$1"], as: "text")
            try await check([true, false], as: "boolean")
            try await check([0, Int.max, Int.min], as: "bigint")
            try await check([0, Int32.max, Int32.min], as: "integer")
            try await check([0, Int64.max, Int64.min], as: "bigint")
            try await check(
                [0, -0.5, 0.1 + 0.2, 1e300, .leastNonzeroMagnitude, .infinity, -.infinity],
                as: "double precision")
            try await check([[], [0], Array(0...255), [92, 120]] as [[UInt8]], as: "bytea")
            try await check(
                [[], ["a,b", "\"q\"", "NULL", "null", "", "\\", "{}", " x "]] as [[String]],
                as: "text[]")
            try await check([[], [nil, "NULL", "a"]] as [[String?]], as: "text[]")
            try await check([[], [Int64.min, 0, .max]] as [[Int64]], as: "bigint[]")
            try await check([[1, nil]] as [[Int?]], as: "bigint[]")
            try await check([[true, false]] as [[Bool]], as: "boolean[]")
            try await check([[0.5, .infinity]] as [[Double]], as: "double precision[]")
            try await check([[[0, 255], []]] as [[[UInt8]]], as: "bytea[]")
            try await check([Colour.red, .green], as: "text")
        }
    }

    @Test("not a number stays not a number")
    func notANumber() async throws {
        try await withTestConnection { connection in
            let result = try await connection.query("SELECT \(Double.nan)")
            #expect(try result.rows[0][0].decode(Double.self).isNaN)
        }
    }

    @Test("are refused where the type asked for does not fit, without quoting them")
    func mismatch() async throws {
        try await withTestConnection { connection in
            let row = try await connection.query("SELECT 'secret' AS a, NULL AS b").rows[0]
            let error = try #require(
                throws: PostgresError.self, performing: { try row.decode("a", as: Int.self) })
            #expect(error.code == .decoding)
            #expect(!error.description.contains("secret"))
            #expect(throws: PostgresError.self) { try row.decode("b", as: String.self) }
            #expect(throws: PostgresError.self) { try row.decode("c", as: String.self) }
            #expect(throws: PostgresError.self) { try row.decode("a", as: Colour.self) }
            #expect(throws: PostgresError.self) { try row.decode("a", as: [String].self) }
            #expect(throws: PostgresError.self) { try row.decode("a", as: [UInt8].self) }
        }
    }

    @Test("text with a NUL byte is refused before it is sent")
    func nul() async throws {
        try await withTestConnection { connection in
            await #expect {
                try await connection.query("SELECT \("a\0b")::text")
            } throws: {
                ($0 as? PostgresError)?.code == .invalidParameter
            }
            let after = try await connection.query("SELECT 1")
            #expect(after.rows.count == 1)
        }
    }

    @Test("a hostile string is only a value")
    func hostile() async throws {
        try await withTestConnection { connection in
            try await connection.query("CREATE TABLE projects (name text)")
            let hostile = "x'); DROP TABLE projects; --"
            try await connection.query("INSERT INTO projects VALUES (\(hostile))")
            let rows = try await connection.query("SELECT name FROM projects").rows
            #expect(try rows.map { try $0[0].decode(String.self) } == [hostile])
        }
    }
}
