import Platform
import Shared

/// How operations of a kind are tried: how urgent they are, how often they are tried, and when
/// one that does not move is taken back.
struct OperationPolicy: Sendable {
    /// Less is sooner; only these two are used, because claims go by one priority at a time.
    enum Priority: Int, Sendable, CaseIterable {
        case urgent = 50
        case normal = 100
    }

    var priority: Priority
    /// How often it is tried, the first time included.
    var maxAttempts: Int
    /// A lease without progress for so long is taken back.
    var noProgressLimit: Duration
    /// After how long it expires when nobody works on it; nil is never.
    ///
    /// A workflow that has begun does not expire: it is brought to its end.
    var deadline: Duration? = nil
    /// The waits between the tries.
    var backoff: Backoff

    /// The policy of a kind.
    static func of(_ kind: OperationKind) -> OperationPolicy {
        let backoff = Backoff(
            base: .seconds(2), cap: .seconds(60), first: [.milliseconds(200), .seconds(1)])
        switch kind {
        case .start, .stop, .backup, .execute:
            // A workflow's own tries are short transactions; only broken ones count. A day later
            // somebody has asked again.
            return OperationPolicy(
                priority: .normal, maxAttempts: 1000, noProgressLimit: .seconds(600),
                deadline: .seconds(86_400), backoff: backoff)
        case .restore, .move, .copy, .delete, .importTree, .drain, .batch:
            return OperationPolicy(
                priority: .normal, maxAttempts: 1000, noProgressLimit: .seconds(600),
                deadline: .seconds(7 * 86_400), backoff: backoff)
        case .check, .forget, .prune, .repair, .rekey:
            // Much of their work is silent: walks through all trees of a repository.
            return OperationPolicy(
                priority: .normal, maxAttempts: 1000, noProgressLimit: .seconds(4 * 3600),
                deadline: .seconds(7 * 86_400), backoff: backoff)
        case .runtimeStop, .volumeThaw:
            return OperationPolicy(
                priority: .urgent, maxAttempts: 8, noProgressLimit: .seconds(3900),
                backoff: backoff)
        case .volumeExecute:
            // A command is not repeated: nobody knows how far it came.
            return OperationPolicy(
                priority: .normal, maxAttempts: 1, noProgressLimit: .seconds(90_000),
                backoff: backoff)
        case .hostCheck, .hostInventory:
            // An hour later nobody asks any more.
            return OperationPolicy(
                priority: .urgent, maxAttempts: 3, noProgressLimit: .seconds(60),
                deadline: .seconds(3600), backoff: backoff)
        case .volumeCreate, .volumeBackup, .volumeRestore, .volumeApply, .volumeRetire,
            .volumeImport, .runtimeStart:
            // Whoever ordered it decides how long a host may be away.
            return OperationPolicy(
                priority: .normal, maxAttempts: 8, noProgressLimit: .seconds(1800),
                backoff: backoff)
        }
    }
}
