import CPlatform
import Glibc

/// Tells systemd how this service is (sd_notify(3)), when systemd asked for it.
public struct ServiceSupervisor: Sendable {
    /// What there is to tell.
    public enum State: String, Sendable {
        /// The start is complete: requests are answered.
        case ready = "READY=1"
        /// An orderly stop has begun.
        case stopping = "STOPPING=1"
        /// Still alive; due before half of the watchdog's interval has passed.
        case watchdog = "WATCHDOG=1"
    }

    private let socket: String?
    /// How often `watchdog` is due: half of `WATCHDOG_USEC`, or nil when nobody asked.
    public let watchdogInterval: Duration?

    /// - Parameter environment: the process's variables, of which `NOTIFY_SOCKET` (a path, or
    ///   `@name` of an abstract socket) and `WATCHDOG_USEC` count.
    public init(environment: [String: String]) {
        socket = environment["NOTIFY_SOCKET"]
        watchdogInterval = environment["WATCHDOG_USEC"].flatMap { Int64($0) }
            .flatMap { $0 > 0 ? .microseconds($0 / 2) : nil }
    }

    /// Tells it; without a socket nothing happens.
    ///
    /// - Parameters:
    ///   - state: what to tell.
    ///   - status: one line for `systemctl status`, or none.
    /// - Throws: `PlatformError` with the error number.
    public func notify(_ state: State, status: String? = nil) throws {
        guard let socket else { return }
        let line = status.map { "\nSTATUS=" + $0.filter { !$0.isNewline } } ?? ""
        try systemCall("notify \(socket)") { unsafe berth_notify(socket, state.rawValue + line) }
    }
}
