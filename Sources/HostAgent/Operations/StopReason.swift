/// Why an operation that runs is told to stop.
enum StopReason: Error, Sendable, Equatable {
    /// Somebody asked for it; the outcome `canceled` confirms it (D14).
    case canceled
    /// The hub says that the lease is gone: nothing is reported.
    case leaseLost
    /// No renewal was answered for two thirds of the lease: nothing is reported.
    case leaseExpired
}
