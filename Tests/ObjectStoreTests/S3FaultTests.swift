import Platform
import S3TestSupport
import Testing

@testable import ObjectStore

/// A fault at each request in turn: what is done ends in success or in a failure that is named, and
/// what was acknowledged is there.
@Suite(.timeLimit(.minutes(4)))
struct S3FaultTests {
    /// One kind of server and one kind of fault.
    struct Case: Sendable, CustomTestStringConvertible {
        let kind: S3Server.Kind
        let fault: Fault

        var testDescription: String { "\(kind) \(fault)" }

        /// A listing that is wrong once is wrong on its next page as well.
        var isLasting: Bool { [.staleList, .listTwice, .listLoop].contains(fault) }

        static let all = S3Server.Kind.tested.flatMap { kind in
            Fault.all.map { Case(kind: kind, fault: $0) }
        }
    }

    private static var options: S3Options {
        var options = S3Options()
        options.patience = .seconds(40)
        options.stallTimeout = .seconds(1)
        options.requestTimeout = .seconds(5)
        options.multipartThresholdBytes = 400_000
        options.partBytes = 200_000
        return options
    }

    /// Moto takes no parts below 5 MiB: there the story goes without, and `S3StoreTests` with.
    private static func largeBytes(_ kind: S3Server.Kind) -> Int {
        kind == .rclone ? 500_000 : 300_000
    }

    /// What a story did.
    private struct Outcome: Sendable {
        var acknowledged: [(ObjectName, [UInt8])] = []
        var failures: [ObjectStoreError] = []
        var wrongReads = 0
        var wrongListings = 0
    }

    /// A small piece of a repository's life: put, read, list, an object in parts, delete.
    private func story(_ store: S3Store, large: [UInt8]) async throws -> Outcome {
        var outcome = Outcome()
        let objects: [(String, [UInt8])] = [
            ("data/aa/one", Random.bytes(50_000)), ("index/two", Random.bytes(700)),
            ("data/bb/large", large),
        ]
        for (text, bytes) in objects {
            let name = try ObjectName(text)
            do {
                try await store.put(name, .bytes(bytes, sha256: Digest.sha256(bytes)))
                outcome.acknowledged.append((name, bytes))
            } catch let error as ObjectStoreError {
                outcome.failures.append(error)
            }
        }
        for (name, bytes) in outcome.acknowledged {
            do {
                let read = try await store.get(name, limitBytes: bytes.count)
                if read != bytes { outcome.wrongReads += 1 }
            } catch let error as ObjectStoreError {
                outcome.failures.append(error)
            }
        }
        do {
            let listed = try await store.list(.all).map(\.name)
            let missing = outcome.acknowledged.contains { !listed.contains($0.0) }
            if missing || Set(listed).count != listed.count { outcome.wrongListings += 1 }
        } catch let error as ObjectStoreError {
            outcome.failures.append(error)
        }
        do {
            try await store.delete(ObjectName("index/two"))
        } catch let error as ObjectStoreError {
            outcome.failures.append(error)
        }
        return outcome
    }

    @Test("Every fault at every request", arguments: Case.all)
    func everyRequest(test: Case) async throws {
        let large = Random.bytes(Self.largeBytes(test.kind))
        // The story with its first request spoiled says how many there are; they go a few at once.
        let count = try await spoil(1, test, large)
        #expect(count >= 8, "the story has requests to spoil")
        try await withThrowingTaskGroup(of: Int.self) { group in
            for number in 2...max(2, count) {
                if number > 7 { _ = try await group.next() }
                group.addTask { try await spoil(number, test, large) }
            }
            try await group.waitForAll()
        }
    }

    /// Spoils one request of a story.
    ///
    /// - Returns: how many requests there were.
    private func spoil(_ number: Int, _ test: Case, _ large: [UInt8]) async throws -> Int {
        let server = try await TestBuckets.shared.server(test.kind)
        let proxy = try FaultProxy(upstream: server.port) { request in
            request.number == number || (test.isLasting && request.number > number)
                ? test.fault : nil
        }
        defer { proxy.stop() }
        let store = try await TestBuckets.shared.store(
            test.kind, endpoint: proxy.endpoint, options: Self.options)
        let outcome = try await story(store, large: large)
        try await judge(outcome, test, number)
        return proxy.log.count
    }

    private func judge(
        _ outcome: Outcome, _ test: Case, _ number: Int
    ) async throws {
        let what: Comment = "request \(number): \(outcome.failures)"
        // Only a fault that cannot be told from the truth may be taken for it.
        let isWrong = test.fault == .wrongBytes
        #expect(outcome.wrongReads == 0 || isWrong, what)
        #expect(outcome.wrongListings == 0 || test.fault == .staleList || isWrong, what)
        let passing: Set<ObjectStoreError.Code>
        switch test.fault {
        case .refuse(403, _): passing = [.denied]
        case .redirect: passing = [.failed]
        case .wrongBytes: passing = [.digest, .failed, .notFound, .unavailable, .outOfRange]
        case .listLoop: passing = [.failed]
        case .acknowledgeAndLose: passing = [.failed, .unavailable]
        case .staleList, .listTwice, .duplicate, .truncate, .stall, .resetBefore, .resetAfter,
            .refuse, .refuseAfter:
            passing = []
        }
        for failure in outcome.failures {
            #expect(passing.contains(failure.code), what)
            #expect(failure.description.contains("127.0.0.1") || isWrong, what)
        }
        #expect(outcome.failures.count <= 1, what)
    }

    @Test("A provider that fails all the time is given up with its reason, and in time")
    func hopeless() async throws {
        let server = try await TestBuckets.shared.server(.rclone)
        let proxy = try FaultProxy(upstream: server.port) { _ in
            .refuse(status: 503, code: "SlowDown")
        }
        defer { proxy.stop() }
        var options = S3Options.quick
        options.patience = .seconds(1)
        let server2 = try await TestBuckets.shared.store(.rclone)
        let configuration = try S3Configuration(
            endpoint: proxy.endpoint, region: "us-east-1", bucket: server2.configuration.bucket)
        let store = try S3Store(
            configuration, credentials: server.credentials,
            health: BucketHealth(
                schedule: BucketSchedule(waits: [.zero, .milliseconds(100)], jitter: 0)),
            options: options)
        let clock = ContinuousClock()
        let begin = clock.now
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<12 {
                group.addTask {
                    await expect(.unavailable) {
                        try await store.put(ObjectName("data/aa/\(number)"), .bytes([1]))
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(clock.now - begin < .seconds(30))
        guard case .failing(_, let failures, let reason, _) = await store.health.state() else {
            Issue.record("it is failing")
            return
        }
        // How many more fit into a second is the machine's affair.
        #expect(failures >= 2)
        #expect(reason.contains("SlowDown"))
        // Twelve callers share the waits: behind the first round one asks for all. Each asks twice, the
        // second time why.
        let count = proxy.log.count
        #expect(count <= 128)
    }

    @Test("Many at once through a storm of faults: all arrive, once and whole")
    func storm() async throws {
        let server = try await TestBuckets.shared.server(.rclone)
        let faults: [Fault] = [
            .refuse(status: 500, code: "InternalError"), .refuse(status: 503, code: "SlowDown"),
            .refuseAfter(status: 500, code: "InternalError"), .resetBefore, .resetAfter, .truncate,
            .duplicate,
        ]
        let proxy = try FaultProxy(upstream: server.port) { request in
            request.number % 5 == 0 ? faults[request.number / 5 % faults.count] : nil
        }
        defer { proxy.stop() }
        let store = try await TestBuckets.shared.store(
            .rclone, endpoint: proxy.endpoint, options: Self.options,
            schedule: BucketSchedule(waits: [.zero, .milliseconds(2)]))
        let objects = try (0..<60).map { number in
            (try ObjectName("data/\(number % 8)0/\(number)"), Random.bytes(20_000 + number))
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (name, bytes) in objects {
                group.addTask {
                    try await store.put(name, .bytes(bytes))
                    let read = try await store.get(name, limitBytes: bytes.count)
                    #expect(read == bytes)
                }
            }
            try await group.waitForAll()
        }
        #expect(try await store.list(.all).count == 60)
        #expect(proxy.met.count > 20)
    }
}
