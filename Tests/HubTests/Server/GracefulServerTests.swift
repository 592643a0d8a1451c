import Glibc
import HTTP
import Platform
import Testing

@testable import Hub

@Suite("A hub that is asked to end", .timeLimit(.minutes(2)))
struct GracefulServerTests {
    /// Something that requests need: notes when it is ended.
    private struct Needed: Service {
        let order: Locked<[String]>
        func run() async throws {
            while !Task.isCancelled { try? await Task.sleep(for: .seconds(600)) }
            order.withLock { $0.append("services ended") }
        }
    }

    @Test("answers the requests that it has, wakes its long polls, and ends the rest after that")
    func order() async throws {
        let order = Locked<[String]>([])
        let bell = OperationBell()
        let (arrivals, arrived) = AsyncStream.makeStream(of: Void.self)
        let server = try HTTPServer(options: HTTPServerOptions()) { _, _ in
            let ticket = bell.ticket("lane")
            arrived.yield()
            // As a long poll waits for work.
            while !bell.isClosed {
                try? await bell.wait("lane", after: ticket, atMost: .seconds(600))
            }
            order.withLock { $0.append("answered") }
            return HTTPResponse(status: 200, body: .text("done"))
        }
        let url = "http://127.0.0.1:\(server.port)/"
        let (termination, terminate) = AsyncStream.makeStream(of: Int32.self)
        let (ended, end) = AsyncStream.makeStream(of: Int32.self)
        let client = try HTTPClient()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                try await runServices(
                    [
                        GracefulServer(
                            server: server, bell: bell, termination: termination, ended: end),
                        Needed(order: order),
                    ], until: ended)
            }
            async let response = client.send(HTTPClientRequest(url: url))
            for await _ in arrivals { break }
            terminate.yield(SIGTERM)
            #expect(try await response.status == 200)
            try await group.waitForAll()
        }
        #expect(order.withLock { $0 } == ["answered", "services ended"])
    }
}
