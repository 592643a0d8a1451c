/// How progress is shown on standard error.
enum ProgressStyle: String, Sendable, CaseIterable {
    /// `tty` on a terminal, `plain` otherwise.
    case auto
    /// One line that changes.
    case tty
    /// A line for each change of phase, and every 10 seconds.
    case plain
    case none
}
