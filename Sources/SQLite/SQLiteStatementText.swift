/// One SQL statement with its values, written as a string in which an interpolated value can only
/// become a bound `?`, never text of the statement.
///
/// ```swift
/// try database.execute("UPDATE volumes SET state = \(state) WHERE project_id = \(project)")
/// ```
public struct SQLiteStatementText: Sendable, Equatable, ExpressibleByStringInterpolation {
    /// The statement's text with `?` where the values stand.
    public private(set) var sql: String
    /// The values, in order.
    public private(set) var values: [SQLiteValue]

    public init(stringLiteral value: String) {
        sql = value
        values = []
    }

    public init(stringInterpolation: StringInterpolation) {
        self = stringInterpolation.text
    }

    /// Joins two pieces of a statement.
    public static func + (
        left: SQLiteStatementText, right: SQLiteStatementText
    ) -> SQLiteStatementText {
        var joined = left
        joined.sql += right.sql
        joined.values += right.values
        return joined
    }

    /// How interpolations become a statement.
    public struct StringInterpolation: StringInterpolationProtocol, Sendable {
        fileprivate var text = SQLiteStatementText(stringLiteral: "")

        public init(literalCapacity: Int, interpolationCount: Int) {}

        public mutating func appendLiteral(_ literal: String) {
            text.sql += literal
        }

        /// A value, which is bound to a `?`.
        public mutating func appendInterpolation(_ value: some SQLiteConvertible) {
            text.sql += "?"
            text.values.append(value.sqliteValue)
        }

        /// A value or NULL, which is bound to a `?`.
        public mutating func appendInterpolation<Value: SQLiteConvertible>(_ value: Value?) {
            text.sql += "?"
            text.values.append(value.sqliteValue)
        }

        /// The name of a table or column, in double quotes.
        public mutating func appendInterpolation(identifier: String) {
            text.sql += "\""
            for scalar in identifier.unicodeScalars {
                text.sql += scalar == "\"" ? "\"\"" : scalar == "\0" ? "\u{FFFD}" : String(scalar)
            }
            text.sql += "\""
        }

        /// Another piece of SQL with values of its own.
        public mutating func appendInterpolation(fragment: SQLiteStatementText) {
            text = text + fragment
        }
    }
}
