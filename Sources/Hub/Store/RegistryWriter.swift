import Postgres
import Shared

/// Changes the registry inside one transaction: every change is an event, applied to its view at
/// once and appended to the log by `finish`, which locks the log's counter last.
///
/// The views' values come from the event and its time only, so that the log alone rebuilds them.
struct RegistryWriter: Sendable {
    /// Who changes it, on whose request and why.
    struct Author: Sendable {
        /// A person's or host's name, or `hub`.
        var actor: String
        var reason: String?
        var request: RequestID?

        init(actor: String, reason: String? = nil, request: RequestID? = nil) {
            self.actor = actor
            self.reason = reason
            self.request = request
        }
    }

    private let transaction: PostgresTransaction
    private let author: Author
    /// The time of all events of this transaction: when it began, by the database's clock.
    let time: Timestamp
    private var events: [RegistryEvent] = []

    /// Starts to write in `transaction`.
    init(_ transaction: PostgresTransaction, author: Author) async throws {
        self.transaction = transaction
        self.author = author
        // 1. The database's clock decides.
        let result = try await transaction.query(
            "SELECT date_trunc('milliseconds', now()) AS time")
        time = try result.one().decode("time")
    }

    /// Applies an event to its view.
    ///
    /// - Throws: `RegistryConflict` when the row it is about is not in the state that the event
    ///   follows on, such as a placement whose generation has risen.
    mutating func record(_ event: RegistryEvent) async throws {
        try await RegistryViews(transaction: transaction, time: time).apply(event)
        events.append(event)
    }

    /// Appends the recorded events; the last thing in a transaction.
    ///
    /// - Returns: the sequence of the last event, or nil when there was none.
    @discardableResult
    mutating func finish() async throws -> Int64? {
        guard let append = try append() else { return nil }
        // 2. Locks the counter row until the commit.
        let result = try await transaction.query(append)
        return try result.one().decode("sequence")
    }

    /// Appends the recorded events with the commit, so that the counter's row is locked no longer
    /// than the server takes for both.
    mutating func finishAtCommit() async throws {
        guard let append = try append() else { return }
        // 3. As 2.
        try await transaction.queryAtCommit(append)
    }

    private mutating func append() throws -> PostgresQuery? {
        guard !events.isEmpty else { return nil }
        defer { events = [] }
        let types = events.map(\.type)
        let versions = events.map { Int64($0.version) }
        let projects = events.map { $0.project?.uuid ?? "" }
        let hosts = events.map { $0.host?.uuid ?? "" }
        let payloads = try events.map { try $0.payload() }
        return """
            SELECT append_events(\(author.actor), \(author.reason), \(author.request)::uuid,
                \(time)::timestamptz, \(types), \(versions), \(projects), \(hosts),
                \(payloads)) AS sequence
            """
    }
}

/// A registry change that does not follow on what is there.
struct RegistryConflict: Error, Sendable, CustomStringConvertible {
    let description: String
}
