import CPlatform
import Dispatch
import Glibc

/// The signals that a service cares about; set up once, in `Main`.
public enum Signals {
    /// Ignores SIGPIPE, so that a peer that went away is an error number, and SIGHUP, so that a
    /// closed terminal does not end a service.
    ///
    /// - Throws: `PlatformError` with the error number.
    public static func ignorePipeAndHangUp() throws {
        try systemCall("ignore SIGPIPE") { berth_ignore_signal(SIGPIPE) }
        try systemCall("ignore SIGHUP") { berth_ignore_signal(SIGHUP) }
    }

    /// The first SIGTERM and SIGINT, as they come.
    ///
    /// A second one of the same kind ends the process at once, as if nobody had asked. Call it
    /// once: of several streams only the last gets anything.
    /// - Throws: `PlatformError` with the error number.
    public static func termination() throws -> AsyncStream<Int32> {
        let event = try systemCall("make an event descriptor") { berth_eventfd() }
        let (stream, continuation) = AsyncStream.makeStream(
            of: Int32.self, bufferingPolicy: .bufferingNewest(2))
        // Sources are thread-safe objects (dispatch_source_create(3)); only the type does not say so.
        nonisolated(unsafe) let source = DispatchSource.makeReadSource(
            fileDescriptor: event, queue: DispatchQueue(label: "berth.signals"))
        unsafe source.setEventHandler { @Sendable in
            var number: UInt64 = 0
            guard unsafe read(event, &number, 8) == 8 else { return }
            continuation.yield(Int32(truncatingIfNeeded: number))
        }
        // The handler's event descriptor stays open for as long as signals may come: to the end.
        continuation.onTermination = { @Sendable _ in unsafe source.cancel() }
        unsafe source.resume()
        try systemCall("catch SIGTERM and SIGINT") { berth_catch_termination(event) }
        return stream
    }
}
