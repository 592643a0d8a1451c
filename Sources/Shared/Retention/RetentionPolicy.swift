/// Which backups of a project are kept: a backup stays when any rule keeps it.
///
/// The buckets of time are those of UTC; weeks begin on Monday. The newest backup and pinned ones
/// stay in any case (D9, D12).
public struct RetentionPolicy: Sendable, Codable, Hashable {
    /// A rule's number is at most this.
    public static let limit = 100_000

    /// So many of the newest.
    public var last: Int?
    /// The newest of each of so many hours that have any.
    public var hourly: Int?
    /// The newest of each of so many days that have any.
    public var daily: Int?
    /// The newest of each of so many weeks that have any.
    public var weekly: Int?
    /// The newest of each of so many months that have any.
    public var monthly: Int?
    /// The newest of each of so many years that have any.
    public var yearly: Int?
    /// All that are at most so many seconds older than the newest.
    public var withinSeconds: Int64?
    /// All that have one of these tags.
    public var keepTags: [String]?
    /// Only backups with all of these tags are looked at; others stay.
    public var onlyTags: [String]?
    /// What the rules keep goes nevertheless when it is older than this before now.
    public var maximumAgeSeconds: Int64?
    /// What the rules keep goes nevertheless, the oldest first, until what the backups stored is
    /// at most so many bytes.
    public var maximumBytes: Int64?

    /// A policy without rules; set what is wanted.
    public init() {}

    /// Whether it says nothing at all, and so cannot have been meant.
    public var isEmpty: Bool {
        let counts = [last, hourly, daily, weekly, monthly, yearly].compactMap { $0 }
        return counts.isEmpty && withinSeconds == nil && (keepTags ?? []).isEmpty
            && maximumAgeSeconds == nil && maximumBytes == nil
    }

    /// What is wrong with it, or nil.
    public var objection: String? {
        let counts = [last, hourly, daily, weekly, monthly, yearly].compactMap { $0 }
        if isEmpty { return "a policy without a rule would forget everything but the newest" }
        if !counts.allSatisfy((0...Self.limit).contains) {
            return "numbers of backups are from 0 to \(Self.limit)"
        }
        let amounts = [withinSeconds, maximumAgeSeconds, maximumBytes].compactMap { $0 }
        if amounts.contains(where: { $0 < 0 || $0 > 1 << 53 }) {
            return "a time or size is negative"
        }
        if (keepTags ?? []).count + (onlyTags ?? []).count > 100 { return "more than 100 tags" }
        return nil
    }

    /// Whether there are rules that keep anything; caps alone keep all that is below them.
    private var hasKeepingRules: Bool {
        last != nil || hourly != nil || daily != nil || weekly != nil || monthly != nil
            || yearly != nil || withinSeconds != nil || !(keepTags ?? []).isEmpty
    }

    /// Decides about every backup.
    ///
    /// - Parameters:
    ///   - backups: all of the project that are not forgotten, in any order.
    ///   - now: the database's time; what claims to be from later is kept and fills no bucket.
    /// - Returns: a decision for each, the newest first.
    public func decide(_ backups: [RetainedBackup], now: Timestamp) -> [RetentionDecision] {
        let order = backups.sorted { ($0.takenAt, $0.id) > ($1.takenAt, $1.id) }
        let newest = order.first { $0.takenAt <= now }
        var buckets = RetentionBuckets(self)
        var decisions = order.map { backup in
            var reasons = buckets.reasons(for: backup, newest: newest, now: now)
            if !hasKeepingRules { reasons.append("no rule but caps") }
            return RetentionDecision(
                backup: backup.id, takenAt: backup.takenAt, storedBytes: backup.storedBytes,
                isKept: !reasons.isEmpty, reasons: reasons)
        }
        capAge(&decisions, order, now: now)
        capBytes(&decisions, order)
        for (index, backup) in order.enumerated() {
            // Stronger than any cap.
            var strong: [String] = []
            if index == 0 || backup.id == newest?.id { strong.append("newest") }
            strong += backup.pins.map { "pinned: \($0)" }
            guard !strong.isEmpty else { continue }
            let others = decisions[index].isKept ? decisions[index].reasons : []
            decisions[index].isKept = true
            decisions[index].reasons = strong + others.filter { $0 != "no rule but caps" }
        }
        return decisions
    }

    private func capAge(
        _ decisions: inout [RetentionDecision], _ order: [RetainedBackup], now: Timestamp
    ) {
        guard let maximumAgeSeconds else { return }
        let oldest = now.milliseconds - maximumAgeSeconds * 1000
        for (index, backup) in order.enumerated()
        where backup.takenAt.milliseconds < oldest && matches(backup) {
            decisions[index].isKept = false
            decisions[index].reasons = ["older than the policy allows"]
        }
    }

    private func capBytes(_ decisions: inout [RetentionDecision], _ order: [RetainedBackup]) {
        guard let maximumBytes else { return }
        var bytes = decisions.filter(\.isKept).reduce(0) { $0 + $1.storedBytes }
        for index in order.indices.reversed() where bytes > maximumBytes {
            guard index > 0, decisions[index].isKept, order[index].pins.isEmpty,
                matches(order[index])
            else { continue }
            decisions[index].isKept = false
            decisions[index].reasons = ["more bytes than the policy allows"]
            bytes -= decisions[index].storedBytes
        }
    }

    /// Whether the policy is about this backup at all.
    func matches(_ backup: RetainedBackup) -> Bool {
        (onlyTags ?? []).allSatisfy(backup.tags.contains)
    }
}

/// A backup as a retention policy sees it.
public struct RetainedBackup: Sendable, Hashable {
    public var id: BackupID
    public var takenAt: Timestamp
    /// What it added to the repository.
    public var storedBytes: Int64
    public var tags: [String]
    /// Why it must not go away; empty when it may.
    public var pins: [String]

    public init(
        id: BackupID, takenAt: Timestamp, storedBytes: Int64, tags: [String], pins: [String]
    ) {
        self.id = id
        self.takenAt = takenAt
        self.storedBytes = storedBytes
        self.tags = tags
        self.pins = pins
    }
}

/// Whether a backup stays, and why.
public struct RetentionDecision: Sendable, Codable, Hashable {
    public var backup: BackupID
    public var takenAt: Timestamp
    public var storedBytes: Int64
    public var isKept: Bool
    /// Why it stays, or why it goes although a rule would keep it.
    public var reasons: [String]

    public init(
        backup: BackupID, takenAt: Timestamp, storedBytes: Int64, isKept: Bool, reasons: [String]
    ) {
        self.backup = backup
        self.takenAt = takenAt
        self.storedBytes = storedBytes
        self.isKept = isKept
        self.reasons = reasons
    }
}
