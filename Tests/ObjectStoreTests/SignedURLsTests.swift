import HTTP
import Platform
import Testing

@testable import ObjectStore

@Suite("URLs that a hub signs", .timeLimit(.minutes(1)))
struct SignedURLsTests {
    /// Signs when it is let, and notes the batches.
    private actor Hub {
        private(set) var batches: [[URLWish]] = []
        private var gates: [CheckedContinuation<Void, Never>] = []
        private var isOpen = false

        func sign(_ wishes: [URLWish]) async -> [SignedURL] {
            batches.append(wishes)
            if !isOpen { await withCheckedContinuation { gates.append($0) } }
            return wishes.map {
                SignedURL(url: "http://x/\($0.use.rawValue)/\($0.name)", headers: [:])
            }
        }

        func open() {
            isOpen = true
            for gate in gates { gate.resume() }
            gates = []
        }
    }

    private func name(_ number: Int) throws -> ObjectName { try ObjectName("data/\(number)") }

    private func eventually(_ condition: () async throws -> Bool) async throws {
        let clock = ContinuousClock()
        let end = clock.now + .seconds(30)
        while try await !condition() {
            guard clock.now < end else { throw DeadlineExceeded("waiting", limit: .seconds(30)) }
            try await clock.sleep(for: .milliseconds(2))
        }
    }

    @Test("are asked for in batches while a batch is under way, each answer for its own wish")
    func batches() async throws {
        let hub = Hub()
        let urls = SignedURLs { wishes in (await hub.sign(wishes), .seconds(300)) }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<40 {
                let name = try name(number)
                group.addTask {
                    let url = try await urls.url(for: URLWish(.put, name))
                    #expect(url.url == "http://x/put/\(name)")
                }
            }
            try await eventually { await urls.waitingCount == 39 }
            await hub.open()
            try await group.waitForAll()
        }
        #expect(await hub.batches.map(\.count) == [1, 39])
    }

    @Test("to read with are used again, those to write with are not, and forgotten ones neither")
    func reuse() async throws {
        let hub = Hub()
        await hub.open()
        let urls = SignedURLs { wishes in (await hub.sign(wishes), .seconds(300)) }
        let get = URLWish(.get, try name(1))
        let put = URLWish(.put, try name(1))
        for _ in 0..<3 { _ = try await urls.url(for: get) }
        #expect(await hub.batches.count == 1)
        for _ in 0..<2 { _ = try await urls.url(for: put) }
        #expect(await hub.batches.count == 3)
        await urls.forget(get)
        _ = try await urls.url(for: get)
        #expect(await hub.batches.count == 4)
    }

    @Test("that are over half of their time are not used again")
    func expiry() async throws {
        let hub = Hub()
        await hub.open()
        let urls = SignedURLs { wishes in (await hub.sign(wishes), .zero) }
        for _ in 0..<3 { _ = try await urls.url(for: URLWish(.get, try name(1))) }
        #expect(await hub.batches.count == 3)
    }

    @Test("a failure reaches all of its batch, and whoever gives up takes nobody along")
    func failures() async throws {
        let hub = Hub()
        let urls = SignedURLs { wishes in
            if wishes.first?.name.text == "data/0" {
                _ = await hub.sign(wishes)
                try Task.checkCancellation()
                throw ObjectStoreError(code: .unavailable, message: "the hub is away")
            }
            return (await hub.sign(wishes), .seconds(300))
        }
        try await withThrowingTaskGroup(of: Bool.self) { group in
            let first = try name(0)
            group.addTask {
                do {
                    _ = try await urls.url(for: URLWish(.put, first))
                    return true
                } catch {
                    return false
                }
            }
            try await eventually { await hub.batches.count == 1 }
            for number in 1..<4 {
                let name = try name(number)
                group.addTask {
                    _ = try await urls.url(for: URLWish(.put, name))
                    return true
                }
            }
            try await eventually { await urls.waitingCount == 3 }
            await hub.open()
            var succeeded = 0
            for try await isSuccess in group where isSuccess { succeeded += 1 }
            // Those who waited were in a batch of their own.
            #expect(succeeded == 3)
        }
        #expect(await hub.batches.map(\.count) == [1, 3])
    }
}
