import Shared

/// What bounds groups.
enum GroupLimits {
    /// How many items may be at work at once.
    static let parallel = 64
    /// How often one may be tried.
    static let tries = 100
    /// How many items a batch has at most.
    static let items = 100_000
}

extension OperationBody {
    /// The host that a drain empties.
    var drainedHost: HostID? { kind == .drain ? HostID(uuid: scope) : nil }
}
