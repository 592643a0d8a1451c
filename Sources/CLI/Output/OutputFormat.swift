/// What a command writes to standard output.
enum OutputFormat: String, Sendable, CaseIterable {
    /// For people; not stable.
    case table
    /// One document with a `schema`; additive within a version.
    case json
    /// One document per item and line.
    case jsonl
    /// Identifiers, one per line.
    case id

    /// Whether programs read it.
    var isDocument: Bool {
        switch self {
        case .json, .jsonl: true
        case .table, .id: false
        }
    }
}
