import Postgres

/// Walks the log's hash chain from its first event to its end, and names the first event that was
/// changed or is missing.
struct LogVerification: Sendable {
    /// How many events one statement checks.
    static let pageSize = 20_000

    /// What was noted of the log earlier, outside of the database: whoever can write every row can
    /// make a whole new chain, but not one that ends in the same hash.
    struct Anchor: Sendable, Equatable {
        var head: LogStore.Head

        /// Reads `SEQUENCE:HASH`, as `verify-log` prints it; nil for anything else.
        init?(_ text: String) {
            let parts = text.split(separator: ":", omittingEmptySubsequences: false)
            guard parts.count == 2, let sequence = Int64(parts[0]), sequence > 0,
                parts[1].utf8.count == 64
            else { return nil }
            var bytes: [UInt8] = []
            var digits = parts[1].utf8.makeIterator()
            while let high = digits.next(), let low = digits.next() {
                guard let value = UInt8(String(decoding: [high, low], as: UTF8.self), radix: 16)
                else { return nil }
                bytes.append(value)
            }
            head = LogStore.Head(sequence: sequence, hash: bytes)
        }
    }

    /// What a check found.
    enum Outcome: Sendable, Equatable {
        /// All is well up to this event.
        case whole(LogStore.Head)
        /// Events between these two, both included, are missing.
        case missing(first: Int64, last: Int64)
        /// This event, or its link to the one before it, was changed.
        case changed(sequence: Int64, type: String)
        /// The chain is whole, and not the one that the anchor was taken from.
        case rewritten(Anchor)
    }

    let connection: PostgresConnection

    /// Checks the whole log.
    ///
    /// - Parameters:
    ///   - anchor: what was noted earlier, nil when there is nothing.
    ///   - progress: told of the last event checked, page by page.
    func run(
        anchor: Anchor? = nil, progress: @Sendable (Int64) -> Void = { _ in }
    ) async throws -> Outcome {
        let store = LogStore(connection: connection)
        // The end first: what is appended meanwhile is for the next check.
        let counter = try await store.head()
        var checked = LogStore.Head(sequence: 0, hash: [])
        while checked.sequence < counter.sequence {
            guard
                let next = try await store.end(
                    after: checked.sequence, limit: LogVerification.pageSize)
            else { return .missing(first: checked.sequence + 1, last: counter.sequence) }
            if let flaw = try await store.flaw(after: checked, through: next.sequence) {
                guard flaw.isGap else {
                    return .changed(sequence: flaw.sequence, type: flaw.type)
                }
                let before = try await store.last(before: flaw.sequence)
                return .missing(first: before + 1, last: flaw.sequence - 1)
            }
            checked = next
            progress(checked.sequence)
        }
        if checked.sequence == counter.sequence, checked.hash != counter.hash {
            return .changed(sequence: checked.sequence, type: "the counter")
        }
        if let anchor {
            guard try await store.hash(of: anchor.head.sequence) == anchor.head.hash else {
                return .rewritten(anchor)
            }
        }
        return .whole(checked)
    }
}
