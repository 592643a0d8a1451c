/// What a child process that has ended left behind.
public struct ChildResult: Sendable {
    /// How it ended; a code other than zero is a normal result.
    public let exit: ChildExit
    /// All of its standard output.
    public let output: [UInt8]
    /// All of its standard error.
    public let errorOutput: [UInt8]

    /// Whether it exited with code 0.
    public var isSuccess: Bool { exit == .code(0) }

    /// Standard output as text; invalid UTF-8 is replaced.
    public var text: String { String(decoding: output, as: UTF8.self) }

    /// Standard error as text; invalid UTF-8 is replaced.
    public var errorText: String { String(decoding: errorOutput, as: UTF8.self) }
}
