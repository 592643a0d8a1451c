import CPlatform

/// How a process ended.
public enum ChildExit: Sendable, Hashable, CustomStringConvertible {
    /// It exited with this code, 0 to 255.
    case code(Int32)
    /// This signal ended it.
    case signal(Int32)
    /// It is gone, and nobody can say how: it was not this program's child.
    case unknown

    /// From a status of waitpid(2).
    init(status: Int32) {
        self =
            berth_signaled(status) != 0
            ? .signal(berth_term_signal(status)) : .code(berth_exit_status(status))
    }

    /// Such as `exit code 3`.
    public var description: String {
        switch self {
        case .code(let code): "exit code \(code)"
        case .signal(let number): "signal \(number)"
        case .unknown: "an unknown end"
        }
    }
}
