/// What `berth` says to the program that started it; an unknown code means failure.
struct ExitCode: RawRepresentable, Sendable, Hashable {
    let rawValue: Int32

    init(rawValue: Int32) {
        self.rawValue = rawValue
    }

    static let done = ExitCode(rawValue: 0)
    static let otherFailure = ExitCode(rawValue: 1)
    static let usage = ExitCode(rawValue: 2)
    static let partlyDone = ExitCode(rawValue: 3)
    static let notFound = ExitCode(rawValue: 4)
    static let refused = ExitCode(rawValue: 5)
    static let notAllowed = ExitCode(rawValue: 6)
    static let unreachable = ExitCode(rawValue: 7)
    static let operationFailed = ExitCode(rawValue: 8)
    static let operationEnded = ExitCode(rawValue: 9)
    static let timeout = ExitCode(rawValue: 10)
    static let confirmationNeeded = ExitCode(rawValue: 11)
    static let throttled = ExitCode(rawValue: 12)
    static let interrupted = ExitCode(rawValue: 130)
    static let brokenPipe = ExitCode(rawValue: 141)

    /// All codes with one line for the help.
    static let meanings: [(code: ExitCode, meaning: String)] = [
        (.done, "done"),
        (.otherFailure, "another failure"),
        (.usage, "wrong usage or configuration, or a name that means several things"),
        (.partlyDone, "partly done: something was left out"),
        (.notFound, "not found"),
        (.refused, "refused: something stands in the way, or data is at risk"),
        (.notAllowed, "not logged in, or not allowed"),
        (.unreachable, "the hub cannot be reached or trusted"),
        (.operationFailed, "the operation ran and failed"),
        (.operationEnded, "the operation was canceled, or expired"),
        (.timeout, "--timeout passed; the operation goes on"),
        (.confirmationNeeded, "a confirmation is needed and nobody can be asked"),
        (.throttled, "the hub asks to come back later"),
        (.interrupted, "interrupted; the operation goes on"),
        (.brokenPipe, "nobody reads the output any more"),
    ]

    /// The exit code of a command that ran in a project; above 125 (a signal, or not found) it
    /// would look like something of this program's own, and becomes 126.
    static func command(_ code: Int32) -> ExitCode {
        ExitCode(rawValue: (0...125).contains(code) ? code : 126)
    }
}
