import HTTP
import Platform
import S3TestSupport
import Testing

@testable import ObjectStore

/// What a host does with URLs that a hub signs, when the provider, the hub or a clock is not as it
/// should be.
@Suite(.timeLimit(.minutes(3)))
struct SignedStoreTests {
    private static func options(patience: Duration = .seconds(20)) -> GrantedStore.Options {
        var options = GrantedStore.Options.quick
        options.patience = patience
        options.stallTimeout = .seconds(1)
        return options
    }

    private func store(
        _ bucket: EnforcingBucket, port: Int, options: GrantedStore.Options = options(),
        sign: (@Sendable () throws -> Void)? = nil
    ) throws -> SignedStore {
        let configuration = try EnforcingBucket.configuration(port: port)
        let signer = S3Signer(configuration: configuration, credentials: bucket.credentials)
        let gateway = GrantedStore(
            client: try HTTPClient(), url: "http://127.0.0.1:9/nobody", headers: [:],
            options: options)
        return try SignedStore(
            gateway: gateway, configuration: configuration, options: options
        ) { wishes in
            try sign?()
            let presigns = wishes.map { wish in
                S3Signer.Presign(
                    method: wish.use == .put ? "PUT" : "GET", name: wish.name)
            }
            let urls = signer.presign(presigns, expires: .seconds(300))
            return (urls.map { SignedURL(url: $0, headers: [:]) }, .seconds(300))
        }
    }

    /// Those that a URL can meet; listings and lengths are the hub's.
    private static let faults: [Fault] = [
        .refuse(status: 500, code: "InternalError"), .refuse(status: 503, code: "SlowDown"),
        .refuseAfter(status: 500, code: "InternalError"),
        .refuse(status: 403, code: "AccessDenied"),
        .resetBefore, .resetAfter, .truncate, .stall, .duplicate,
        .redirect(to: "http://169.254.169.254/"),
    ]

    @Test(
        "Every fault at every request ends in success or in a failure that is named",
        arguments: faults)
    func everyRequest(fault: Fault) async throws {
        let bucket = EnforcingBucket()
        try await bucket.serve { port in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 1...4 {
                    group.addTask { try await spoil(number, fault, bucket, port: port) }
                }
                try await group.waitForAll()
            }
        }
    }

    /// Puts two objects and reads them, with one of these requests spoiled.
    private func spoil(
        _ number: Int, _ fault: Fault, _ bucket: EnforcingBucket, port: Int
    ) async throws {
        let proxy = try FaultProxy(upstream: UInt16(port)) { $0.number == number ? fault : nil }
        defer { proxy.stop() }
        let store = try store(bucket, port: Int(proxy.port))
        let bytes = Random.bytes(200_000)
        let names = try ["one", "two"].map { try ObjectName("data/\(number)/\($0)") }
        var failures: [ObjectStoreError] = []
        func attempt(_ body: () async throws -> Void) async throws {
            do {
                try await body()
            } catch let error as ObjectStoreError {
                failures.append(error)
            }
        }
        for name in names {
            try await attempt { _ = try await store.put(name, .bytes(bytes)) }
        }
        for (name, range) in zip(names, [0..<200_000, 1000..<150_000]) {
            try await attempt {
                let part = Int64(range.lowerBound)..<Int64(range.upperBound)
                let read = try await store.get(name, range: part, limitBytes: 200_000)
                #expect(read == Array(bytes[range]))
            }
        }
        switch fault {
        case .refuse(403, _): #expect(failures.map(\.code).contains(.denied))
        case .redirect: #expect(failures.map(\.code).contains(.failed))
        default: #expect(failures.isEmpty, "request \(number): \(failures)")
        }
    }

    @Test("A provider that cannot be reached is named, not the hub")
    func unreachable() async throws {
        let store = try store(
            EnforcingBucket(), port: 9, options: Self.options(patience: .milliseconds(100)))
        let error = await #expect(throws: ObjectStoreError.self) {
            try await store.get(ObjectName("data/aa/one"), limitBytes: 9)
        }
        #expect(error?.code == .unavailable)
        #expect(error?.message.contains("bucket enforced at http://127.0.0.1:9") == true)
        #expect(error?.description.contains("X-Amz-Signature") == false)
    }

    @Test("A hub that signs nothing for a moment is waited for")
    func hubAway() async throws {
        let bucket = EnforcingBucket()
        let left = Locked(2)
        try await bucket.serve { port in
            let store = try store(bucket, port: port) {
                let isAway = left.withLock { left -> Bool in
                    left -= 1
                    return left >= 0
                }
                if isAway { throw ObjectStoreError(code: .hubUnavailable, message: "away") }
            }
            let name = try ObjectName("data/aa/one")
            #expect(try await store.put(name, .bytes([1, 2])))
            #expect(try await store.get(name, limitBytes: 2) == [1, 2])
        }
        #expect(left.withLock { $0 } < 0)
    }

    // MARK: Clocks

    /// A refusal of a URL that was signed at 12:00:00 for 300 s, with the provider's date.
    private func refused(
        _ date: String, status: Int = 403, code: String = "AccessDenied"
    ) throws -> ObjectStoreError {
        let configuration = try EnforcingBucket.configuration(port: 9)
        let signed = SignedURL(
            url:
                "http://127.0.0.1:9/enforced/a?X-Amz-Date=20260524T120000Z&X-Amz-Expires=300&X-Amz-Signature=0",
            headers: [:])
        let period = try #require(signed.period)
        let refusal = S3Refusal(
            status: status, headers: ["Date": "Sun, 24 May 2026 \(date) GMT"],
            body: Array("<Error><Code>\(code)</Code></Error>".utf8), sent: period.begin)
        return SignedRefusal(refusal: refusal, signed: signed, configuration: configuration)
            .error("store data/aa/one")
    }

    @Test("The hub's clock is blamed where the URL's own date and the provider's say so")
    func clocks() throws {
        #expect(try refused("12:00:09").code == .denied)
        let behind = try refused("12:05:30")
        #expect(behind.code == .clockSkew)
        #expect(behind.message.contains("the clock of the hub, which signs URLs, is 330 s behind"))
        let ahead = try refused("11:30:00")
        #expect(ahead.code == .clockSkew && ahead.message.contains("1800 s ahead of"))
        // A refusal for another reason is that reason, whatever the clocks say.
        #expect(try refused("12:30:00", status: 404, code: "NoSuchKey").code == .notFound)
        #expect(try refused("12:30:00", status: 503, code: "SlowDown").code == .unavailable)
    }
}
