/// What the program writes to and reads from.
struct Surface: Sendable {
    /// The descriptors of standard input, output and error.
    var input: Int32 = 0
    var output: Int32 = 1
    var errors: Int32 = 2
    /// Whether a person is at the other end of each.
    var isInputTerminal: Bool
    var isOutputTerminal: Bool
    var isErrorsTerminal: Bool
    /// Columns of the terminal that tables and progress are made for.
    var columns: Int
    /// Whether colours may be used on standard output and standard error.
    var isOutputColored = false
    var isErrorsColored = false
}
