import CPlatform
import Glibc

/// Where log lines go: a descriptor that is never waited for longer than a moment.
///
/// A reader that stopped reading costs lines, not the program: a line that does not fit within
/// 50 ms is dropped, further ones at once until the reader is back, and their number is told then.
public final class LogOutput: Sendable {
    /// How an entry becomes a line.
    public enum Format: Sendable {
        /// One JSON object a line.
        case json
        /// `time level message key=value …`.
        case text
    }

    private struct State {
        var droppedLines = 0
        var isTorn = false
    }

    private let descriptor: Descriptor
    private let isSocket: Bool
    private let format: Format
    private let state = Locked(State())

    /// Writes to standard error: text when it is a terminal, JSON otherwise.
    ///
    /// - Throws: `PlatformError` when there is no standard error.
    public static func standardError() throws -> LogOutput {
        try LogOutput(descriptor: STDERR_FILENO, format: isatty(STDERR_FILENO) == 1 ? .text : .json)
    }

    /// Writes to an open descriptor, of which it keeps a duplicate.
    ///
    /// A pipe or terminal is opened anew through /proc, so that making it non-blocking does not
    /// change the description that other processes share.
    /// - Parameters:
    ///   - number: an open descriptor.
    ///   - format: how an entry becomes a line.
    /// - Throws: `PlatformError` with the error number when it is not open.
    public init(descriptor number: Int32, format: Format) throws {
        var status = stat()
        try systemCall("stat the log's descriptor") { unsafe fstat(number, &status) }
        let kind = status.st_mode & S_IFMT
        isSocket = kind == S_IFSOCK
        self.format = format
        var own: Int32 = -1
        if kind == S_IFIFO || kind == S_IFCHR {
            let flags = O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC
            own = unsafe berth_open("/proc/self/fd/\(number)", flags, 0)
        }
        if own < 0 {
            own = try systemCall("duplicate the log's descriptor") { berth_duplicate(number) }
        }
        descriptor = Descriptor(owning: own)
    }

    func write(_ entry: LogEntry) {
        let line = format == .json ? entry.json : entry.text
        state.withLock { state in
            var bytes = state.isTorn ? [UInt8(ascii: "\n")] : []
            if state.droppedLines > 0 {
                let metadata: [String: LogValue] = ["lines": .integer(Int64(state.droppedLines))]
                let note = LogEntry(
                    time: entry.time, level: .warning,
                    message: "Log lines were dropped because nobody read them.",
                    metadata: metadata)
                bytes += Array(((format == .json ? note.json : note.text) + "\n").utf8)
            }
            bytes += Array((line + "\n").utf8)
            let sent = send(bytes, wait: state.droppedLines == 0)
            if sent == bytes.count {
                state = State()
            } else {
                state.droppedLines += 1
                state.isTorn = sent > 0 || state.isTorn
            }
        }
    }

    /// Hands bytes to the kernel and answers how many it took.
    private func send(_ bytes: [UInt8], wait: Bool) -> Int {
        var sent = 0
        var waits = wait ? 1 : 0
        while sent < bytes.count {
            let got = unsafe bytes.withUnsafeBytes { buffer in
                let rest = unsafe UnsafeRawBufferPointer(rebasing: buffer[sent...])
                return descriptor.withNumber { number in
                    if isSocket {
                        let flags = Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL)
                        return unsafe Glibc.send(number, rest.baseAddress, rest.count, flags)
                    }
                    return unsafe berth_write(number, rest.baseAddress, rest.count)
                }
            }
            if got > 0 {
                sent += got
            } else if errno == EINTR {
                continue
            } else if errno == EAGAIN, waits > 0 {
                waits -= 1
                descriptor.withNumber { number in
                    var wanted = pollfd(fd: number, events: Int16(POLLOUT), revents: 0)
                    return unsafe poll(&wanted, 1, 50)
                }
            } else {
                return sent
            }
        }
        return sent
    }
}
