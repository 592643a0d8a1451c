/// Which statements a connection has prepared, the least recently used given up first.
///
/// Pure bookkeeping: `PostgresConnection` prepares and deallocates what it says.
struct PreparedStatements {
    /// What a prepared statement stands for: the same text with other types is another one.
    struct Key: Hashable {
        let sql: String
        let types: [PostgresType]
    }

    enum Answer: Equatable {
        /// Prepared already, under this name.
        case known(String)
        /// To be prepared under this name; afterwards tell `insert`.
        case new(String)
    }

    private struct Entry {
        let name: String
        var used: UInt64
    }

    private let limit: Int
    private var entries: [Key: Entry] = [:]
    private var clock: UInt64 = 0
    private var named: UInt64 = 0

    /// - Parameter limit: how many are kept, at least 1.
    init(limit: Int) {
        self.limit = max(1, limit)
    }

    /// Looks a statement up and marks it as used.
    mutating func lookUp(_ key: Key) -> Answer {
        clock += 1
        if let entry = entries[key] {
            entries[key]?.used = clock
            return .known(entry.name)
        }
        named += 1
        return .new("s\(named)")
    }

    /// Remembers a statement that has been prepared.
    ///
    /// - Returns: the name of one that has to be deallocated for it.
    mutating func insert(_ key: Key, name: String) -> String? {
        var evicted: String?
        if entries.count >= limit, let oldest = entries.min(by: { $0.value.used < $1.value.used }) {
            entries[oldest.key] = nil
            evicted = oldest.value.name
        }
        entries[key] = Entry(name: name, used: clock)
        return evicted
    }

    /// Forgets one that turned out to be unusable.
    ///
    /// - Returns: its name, to be deallocated.
    mutating func remove(_ key: Key) -> String? {
        entries.removeValue(forKey: key)?.name
    }

    var count: Int { entries.count }
}
