import Glibc
import Platform

/// Standard output for data, standard error for messages and progress; what is written to one
/// never breaks a line of the other.
actor Console {
    private let queue = SerialQueue(label: "berth.console")
    nonisolated var unownedExecutor: UnownedSerialExecutor {
        unsafe queue.asUnownedSerialExecutor()
    }

    /// What standard output and standard error are.
    let surface: Surface
    private let isQuiet: Bool
    /// Whether a progress line stands on the terminal, to be wiped before anything else.
    private var hasProgress = false

    init(surface: Surface, isQuiet: Bool) {
        self.surface = surface
        self.isQuiet = isQuiet
    }

    /// Writes data to standard output.
    ///
    /// - Throws: `CommandFailure` with `brokenPipe` when nobody reads any more, or the reason why
    ///   it cannot be written.
    func write(_ text: String) throws(CommandFailure) {
        wipe()
        try put(Array(text.utf8), to: surface.output)
    }

    /// A line for the person who waits; nothing with `-q`.
    func say(_ line: String) {
        guard !isQuiet else { return }
        complain(line)
    }

    /// A line that is always shown.
    func complain(_ line: String) {
        wipe()
        tell(line + "\n")
    }

    /// A question, without a newline.
    func ask(_ question: String) {
        wipe()
        tell(question)
    }

    /// Replaces the line at the bottom of the terminal; nil wipes it.
    func show(progress line: String?) {
        guard !isQuiet else { return }
        wipe()
        guard let line else { return }
        tell(line)
        hasProgress = true
    }

    private func wipe() {
        guard hasProgress else { return }
        hasProgress = false
        tell("\r\u{1B}[K")
    }

    private func tell(_ text: String) {
        // Standard error may be closed; there is nobody else to tell, and the exit code says it.
        try? put(Array(text.utf8), to: surface.errors)
    }

    private func put(_ bytes: [UInt8], to descriptor: Int32) throws(CommandFailure) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = unsafe rest.withUnsafeBytes {
                unsafe Glibc.write(descriptor, $0.baseAddress, $0.count)
            }
            if count >= 0 {
                rest = rest.dropFirst(count)
            } else if errno == EPIPE {
                throw CommandFailure(.brokenPipe, code: "broken-pipe", "nobody reads the output")
            } else if errno != EINTR {
                throw CommandFailure(
                    .otherFailure, code: "output",
                    "cannot write the output: \(describe(errno: errno))",
                    hint: "is the disk full?")
            }
        }
    }
}
