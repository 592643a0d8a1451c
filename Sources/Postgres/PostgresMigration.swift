/// One numbered step of a database's schema.
public struct PostgresMigration: Sendable, Equatable {
    /// Its number, 1 or more, without gaps.
    public let number: Int
    /// What it does, from the file's name.
    public let name: String
    /// Its statements; run in one transaction, which they must not end.
    public let sql: String

    /// Makes a migration.
    public init(number: Int, name: String, sql: String) {
        self.number = number
        self.name = name
        self.sql = sql
    }
}
