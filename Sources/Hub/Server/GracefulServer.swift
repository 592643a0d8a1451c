import HTTP
import Platform

/// The HTTP server, which gets the termination first: requests that are being worked on are
/// answered before anything that they need is stopped.
struct GracefulServer: Service {
    let server: HTTPServer
    let bell: OperationBell
    /// Asks for the end.
    let termination: AsyncStream<Int32>
    /// Told when the server has ended because of it.
    let ended: AsyncStream<Int32>.Continuation

    func run() async throws {
        let signal = try await withThrowingTaskGroup(of: Int32?.self) { group in
            group.addTask {
                try await server.run()
                return nil
            }
            group.addTask {
                for await signal in termination {
                    // Long polls and streams answer now; their callers ask the next hub.
                    bell.close()
                    server.stop()
                    return signal
                }
                return nil
            }
            defer { group.cancelAll() }
            var signal: Int32?
            for _ in 0..<2 {
                guard let end = try await group.next() else { break }
                signal = signal ?? end
            }
            return signal
        }
        if let signal { ended.yield(signal) }
    }
}
