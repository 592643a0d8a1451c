/// One SQL statement with its parameters, written as a string in which an interpolated value can
/// only become a parameter, `$n`, never text of the statement.
///
/// ```swift
/// try await connection.query("SELECT name FROM projects WHERE project_id = \(id)")
/// ```
/// A `String` that is computed at run time cannot become a query.
public struct PostgresQuery: Sendable, Equatable, ExpressibleByStringInterpolation {
    /// The text around the parameters: always one piece more than there are parameters.
    private var pieces: [String]
    private(set) var parameters: [PostgresQuery.Parameter]

    struct Parameter: Sendable, Equatable {
        let type: PostgresType
        let value: PostgresValue
    }

    public init(stringLiteral value: String) {
        pieces = [value]
        parameters = []
    }

    public init(stringInterpolation: StringInterpolation) {
        self = stringInterpolation.query
    }

    /// The statement's text with `$1`, `$2`, … where the parameters stand.
    public var sql: String {
        var text = pieces[0]
        for (index, piece) in pieces.dropFirst().enumerated() { text += "$\(index + 1)\(piece)" }
        return text
    }

    /// Joins two pieces of a statement; the parameters are numbered anew.
    public static func + (left: PostgresQuery, right: PostgresQuery) -> PostgresQuery {
        var joined = left
        joined.append(right)
        return joined
    }

    /// Adds the piece `other` to the end.
    public mutating func append(_ other: PostgresQuery) {
        append(text: other.pieces[0])
        pieces.append(contentsOf: other.pieces.dropFirst())
        parameters.append(contentsOf: other.parameters)
    }

    private mutating func append(text: String) {
        pieces[pieces.count - 1] += text
    }

    private mutating func append(parameter: Parameter) {
        parameters.append(parameter)
        pieces.append("")
    }

    /// How interpolations become a query.
    public struct StringInterpolation: StringInterpolationProtocol, Sendable {
        fileprivate var query = PostgresQuery(stringLiteral: "")

        public init(literalCapacity: Int, interpolationCount: Int) {}

        public mutating func appendLiteral(_ literal: String) {
            query.append(text: literal)
        }

        /// A value, which becomes the next parameter.
        public mutating func appendInterpolation<Value: PostgresEncodable>(_ value: Value) {
            query.append(
                parameter: Parameter(type: Value.postgresType, value: value.postgresValue))
        }

        /// A value or NULL, which becomes the next parameter.
        public mutating func appendInterpolation<Value: PostgresEncodable>(_ value: Value?) {
            query.append(
                parameter: Parameter(
                    type: Value.postgresType, value: value?.postgresValue ?? .null))
        }

        /// The name of a table, column, channel or database, in double quotes
        /// (PostgreSQL 15, 4.1.1 Identifiers and Key Words).
        public mutating func appendInterpolation(identifier: String) {
            query.append(text: PostgresIdentifier.quoted(identifier))
        }

        /// Another piece of SQL with parameters of its own.
        public mutating func appendInterpolation(fragment: PostgresQuery) {
            query.append(fragment)
        }
    }
}
