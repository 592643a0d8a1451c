import Shared

/// What the hub's word on applied reports does to the outbox (D8): pure.
enum OutboxRules {
    /// Up to where reports are removed that a request sent and an answer acknowledges; nil when it
    /// applied none of them, which is wrong.
    ///
    /// What was not sent in this request cannot be acknowledged by its answer.
    static func acknowledged(applied: Int64, first: Int64, last: Int64) -> Int64? {
        applied < first ? nil : min(applied, last)
    }

    /// Whether a ledger whose last report is `last` can have made all that the hub has applied of
    /// it; otherwise it went back in time, or is a copy.
    static func isWhole(applied: Int64, last: Int64) -> Bool { applied <= last }
}
