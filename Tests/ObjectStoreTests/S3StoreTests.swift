import Glibc
import HTTP
import Platform
import S3TestSupport
import Testing

@testable import ObjectStore

/// What the S3 store does beyond the contract, at servers of other people's making.
@Suite(.timeLimit(.minutes(2)))
struct S3StoreTests {
    /// A quick store whose requests pass a proxy that spoils nothing, which tells what was asked.
    private func watched(
        _ kind: S3Server.Kind, options: S3Options = .quick,
        _ body: (S3Store, FaultProxy) async throws -> Void
    ) async throws {
        let server = try await TestBuckets.shared.server(kind)
        let proxy = try FaultProxy(upstream: server.port) { _ in nil }
        defer { proxy.stop() }
        let store = try await TestBuckets.shared.store(
            kind, endpoint: proxy.endpoint, options: options)
        try await body(store, proxy)
    }

    /// Small parts, which rclone and moto take but for moto's 5 MiB.
    private static var inParts: S3Options {
        var options = S3Options.quick
        options.multipartThresholdBytes = 6 << 20
        options.partBytes = 5 << 20
        return options
    }

    private func stream(
        _ bytes: [UInt8], announced: Int? = nil, sha256: [UInt8]? = nil, piece: Int = 300_000
    ) -> ObjectBody {
        let rest = Locked(bytes[...])
        return .stream(bytes: Int64(announced ?? bytes.count), sha256: sha256) {
            rest.withLock { rest -> [UInt8]? in
                guard !rest.isEmpty else { return nil }
                defer { rest = rest.dropFirst(piece) }
                return Array(rest.prefix(piece))
            }
        }
    }

    @Test(
        "What is larger goes in parts, whatever it comes from, and is what was sent",
        arguments: S3Server.Kind.tested, ["bytes", "file", "stream"])
    func multipart(kind: S3Server.Kind, source: String) async throws {
        try await watched(kind, options: Self.inParts) { store, proxy in
            let place = try TemporaryDirectory()
            let bytes = Random.bytes(12 << 20 | 1)
            let sum = Digest.sha256(bytes)
            try DurableFile.write(bytes, to: place.path + "/file")
            let body: ObjectBody =
                switch source {
                case "bytes": .bytes(bytes, sha256: sum)
                case "file":
                    .file(path: place.path + "/file", bytes: Int64(bytes.count), sha256: sum)
                default: stream(bytes, sha256: sum)
                }
            let name = try ObjectName("data/aa/large")
            #expect(try await store.put(name, body))
            #expect(try await store.get(name, limitBytes: bytes.count) == bytes)
            let parts = proxy.log.filter { $0.target.contains("partNumber=") }
            #expect(parts.count == 3)
            #expect(proxy.log.contains { $0.method == "POST" && $0.target.contains("?uploads=") })
            #expect(proxy.log.last { $0.method == "HEAD" } != nil, "it is looked for afterwards")
            #expect(try await !store.put(name, .bytes(bytes)))
        }
    }

    @Test(
        "An upload in parts that fails is aborted, and leaves neither object nor parts",
        arguments: S3Server.Kind.tested)
    func aborts(kind: S3Server.Kind) async throws {
        try await watched(kind, options: Self.inParts) { store, proxy in
            let bytes = Random.bytes(12 << 20)
            let wrong = [UInt8](repeating: 1, count: 32)
            for body in [
                stream(bytes, sha256: wrong), stream(bytes, announced: bytes.count + 1),
                stream(bytes, announced: bytes.count - 1), .bytes(bytes, sha256: wrong),
            ] {
                let name = try ObjectName("data/aa/wrong")
                await expect(.digest) { try await store.put(name, body) }
                #expect(try await !store.exists(name))
            }
            // The abort is sent while nobody waits.
            try await eventually("every upload is aborted") {
                proxy.log.count { $0.method == "DELETE" && $0.target.contains("uploadId=") } == 4
            }
            try await eventually("the provider has none left") {
                let left = try await store.exchange("GET", nil, query: [("uploads", "")])
                return !String(decoding: left.body, as: UTF8.self).contains("<UploadId>")
            }
        }
    }

    @Test("An upload in parts whose task is cancelled is aborted as well")
    func cancelled() async throws {
        try await watched(.rclone, options: Self.inParts) { store, proxy in
            let name = try ObjectName("data/aa/cancelled")
            let piece = Random.bytes(1 << 20)
            let count = Locked(0)
            let body = ObjectBody.stream(bytes: 20 << 20) {
                let number = count.withLock { count -> Int in
                    count += 1
                    return count
                }
                // The rest never comes.
                if number > 11 { try await ContinuousClock().sleep(for: .seconds(3600)) }
                return piece
            }
            await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await store.put(name, body) }
                do {
                    try await eventually("a part is there") {
                        proxy.log.contains { $0.target.contains("partNumber=2") }
                    }
                } catch {
                    Issue.record(error)
                }
                group.cancelAll()
                await #expect(throws: (any Error).self) { try await group.next() }
            }
            try await eventually("the upload is aborted") {
                proxy.log.contains { $0.method == "DELETE" && $0.target.contains("uploadId=") }
            }
            #expect(try await !store.exists(name))
        }
    }

    @Test(
        "A stream with wrong bytes breaks off before its end, so that no object appears",
        arguments: S3Server.Kind.tested)
    func wrongStream(kind: S3Server.Kind) async throws {
        try await watched(kind) { store, _ in
            let bytes = Random.bytes(3 << 20)
            let right = Digest.sha256(bytes)
            var spoiled = bytes
            spoiled[2 << 20] ^= 1
            let name = try ObjectName("data/aa/streamed")
            for body in [
                stream(spoiled, sha256: right),
                stream(Array(bytes.dropLast()), announced: bytes.count, sha256: right),
                stream(bytes + [1], announced: bytes.count, sha256: right),
            ] {
                await expect(.digest) { try await store.put(name, body) }
                #expect(try await !store.exists(name))
            }
            #expect(try await store.put(name, stream(bytes, sha256: right)))
            #expect(try await store.get(name, limitBytes: bytes.count) == bytes)
        }
    }

    @Test("What a caller's own closure throws comes back as it is and is no failure of the bucket")
    func callersFailures() async throws {
        struct Own: Error {}
        try await watched(.rclone) { store, proxy in
            let name = try ObjectName("data/aa/own")
            try await store.put(name, .bytes(Random.bytes(3 << 20)))
            let before = proxy.log.count
            await #expect(throws: Own.self) {
                try await store.stream(name, range: nil) { _ in throw Own() }
            }
            #expect(proxy.log.count == before + 1)
            let other = try ObjectName("data/aa/other")
            await #expect(throws: Own.self) {
                try await store.put(
                    other,
                    .stream(bytes: 2 << 20, sha256: [UInt8](repeating: 0, count: 32)) {
                        throw Own()
                    })
            }
            #expect(await store.health.state() == .working)
            #expect(try await !store.exists(other))
        }
    }

    // Moto says of every upload that it was begun in 2010.
    @Test("Uploads in parts that nobody ended are swept by age")
    func sweeps() async throws {
        let store = try await TestBuckets.shared.store(.rclone)
        let name = try ObjectName("data/aa/begun")
        let begun = try await store.exchange("POST", name, query: [("uploads", "")])
        #expect(begun.status == 200)
        #expect(try await store.sweep(olderThan: .seconds(3600)) == 0)
        #expect(try await store.sweep(olderThan: .seconds(-3600)) == 1)
        #expect(try await store.sweep(olderThan: .seconds(-3600)) == 0)
    }

    @Test("Listings of many pages are whole, and foreign keys are left out")
    func pages() async throws {
        let server = try await TestBuckets.shared.server(.moto)
        let store = try await TestBuckets.shared.store(.moto)
        let outside = try S3Store(
            S3Configuration(
                endpoint: server.endpoint, region: "us-east-1",
                bucket: store.configuration.bucket), credentials: server.credentials)
        _ = try await outside.put(ObjectName("below/elsewhere"), .bytes([1]))
        for key in ["below/here/Upper Case+%25", "below/here/", "below/here/a//b"] {
            #expect(try await outside.put(rawKey: key) == 200)
        }
        let names = try (0..<1_203).map { try ObjectName("data/\(1000 + $0 % 7)/\(10_000 + $0)") }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for name in names { group.addTask { try await store.put(name, .bytes([1, 2])) } }
            try await group.waitForAll()
        }
        #expect(try await store.list(.all).map(\.name) == names.sorted())
        #expect(try await store.list(.all).allSatisfy { $0.bytes == 2 })
        #expect(
            try await store.list(ObjectPrefix("data/1003/")).count
                == names.count { $0.text.hasPrefix("data/1003/") })
    }

    @Test(
        "Credentials that are wrong pause the bucket, and say so without showing them",
        arguments: S3Server.Kind.tested)
    func credentials(kind: S3Server.Kind) async throws {
        let server = try await TestBuckets.shared.server(kind)
        let good = try await TestBuckets.shared.store(kind)
        let name = try ObjectName("config")
        for (id, secret) in [
            (server.accessKeyID, "not-the-secret-at-all"), ("NOBODY", server.secretKey),
        ] {
            let store = try S3Store(
                good.configuration,
                credentials: S3Credentials(
                    accessKeyID: id, secretKey: SecretBytes(secret.utf8)), options: .quick)
            let error = await #expect(throws: ObjectStoreError.self) {
                try await store.put(name, .bytes([1]))
            }
            #expect(error?.code == .credentialsRefused)
            #expect(error.map { "\($0)".contains(secret) } == false)
            guard case .paused = await store.health.state() else {
                Issue.record("the bucket is paused")
                return
            }
            await expect(.credentialsRefused) { _ = try await store.list(.all) }
        }
        #expect(try await good.put(name, .bytes([1])), "others' health is their own")
    }

    @Test(
        "A bucket that is not there pauses, and resumes when it is made",
        arguments: S3Server.Kind.tested)
    func missingBucket(kind: S3Server.Kind) async throws {
        let server = try await TestBuckets.shared.server(kind)
        let configuration = try S3Configuration(
            endpoint: server.endpoint, region: "us-east-1", bucket: "not-" + Random.hex(bytes: 5),
            hasConditionalPut: server.hasConditionalPut)
        let store = try S3Store(
            configuration, credentials: server.credentials,
            health: BucketHealth(schedule: .quick), options: .quick)
        let name = try ObjectName("config")
        await expect(.bucketMissing) { try await store.put(name, .bytes([1])) }
        guard case .paused = await store.health.state() else {
            Issue.record("the bucket is paused")
            return
        }
        await store.health.resume()
        await expect(.bucketMissing) { _ = try await store.size(of: name) }
        await store.health.resume()
        await expect(.bucketMissing) { _ = try await store.list(.all) }
        try await S3Store(configuration, credentials: server.credentials).makeBucket()
        try await S3Store(configuration, credentials: server.credentials).makeBucket()
        // The pause lets a request through now and then: that one finds the bucket.
        try await eventually("the bucket resumes by itself") {
            (try? await store.put(name, .bytes([1]))) != nil
        }
        #expect(await store.health.state() == .working)
    }

    @Test("A clock that is wrong is named with its difference", arguments: [-7200, 7200])
    func clock(seconds: Int64) async throws {
        var options = S3Options.quick
        options.now = {
            UTCTime(
                millisecondsSinceEpoch: UTCTime.now().millisecondsSinceEpoch + seconds * 1000)
        }
        let store = try await TestBuckets.shared.store(.rclone, options: options)
        let error = await #expect(throws: ObjectStoreError.self) {
            try await store.put(ObjectName("config"), .bytes([1]))
        }
        #expect(error?.code == .clockSkew)
        let side = seconds < 0 ? "behind" : "ahead of"
        #expect(error?.message.contains(side) == true, "\(error as Any)")
        #expect(error?.failureClass == .pausing)
    }

    @Test("An endpoint that is a metadata service gets no request")
    func metadata() async throws {
        let store = try S3Store(
            S3Configuration(
                endpoint: "http://169.254.169.254", region: "us-east-1", bucket: "latest"),
            credentials: S3Credentials(accessKeyID: "K", secretKey: SecretBytes([1])),
            options: .quick)
        await expect(.denied) { _ = try await store.list(.all) }
    }

    // Moto with authentication switched on fails at every request that is signed in its query.
    @Test("Presigned URLs read and write what they name, and nothing after their end")
    func presigned() async throws {
        let server = try await TestBuckets.shared.server(.rclone)
        var configuration = try await TestBuckets.shared.store(.rclone).configuration
        configuration.bindsPresignedPayload = false
        let store = try S3Store(
            configuration, credentials: server.credentials, options: .quick)
        let name = try ObjectName("data/aa/granted")
        let bytes = Random.bytes(100_000)
        let headers = store.signer.putHeaders(
            sha256: Digest.sha256(bytes), isConditional: false)
        let put = store.signer.presign(
            method: "PUT", name: name, expires: .seconds(600), headers: headers)
        let answer = try await store.exchange("PUT", url: put, headers: headers, body: bytes)
        #expect(answer.status == 200, "\(answer.errorCode ?? "")")
        let get = store.signer.presign(method: "GET", name: name, expires: .seconds(600))
        #expect(try await store.exchange("GET", url: get).body == bytes)
        let part = try await store.exchange("GET", url: get, headers: ["Range": "bytes=10-19"])
        #expect(part.body == Array(bytes[10..<20]))
        let tampered = get.replacing("data/aa/granted", with: "data/aa/grant")
        #expect(try await store.exchange("GET", url: tampered).status == 403)
        #expect(try await store.exchange("DELETE", url: get).status == 403)
        let old = UTCTime(millisecondsSinceEpoch: UTCTime.now().millisecondsSinceEpoch - 7_200_000)
        let expired = store.signer.presign(
            method: "GET", name: name, expires: .seconds(60), at: old)
        #expect(try await store.exchange("GET", url: expired).status >= 400)
        let forged = try await store.exchange(
            "PUT", url: put, headers: ["x-amz-content-sha256": S3Bucket.emptyPayload], body: bytes)
        #expect(forged.status == 403)
    }

    @Test("Keys that S3 has and a store has not are signed as the provider understands them")
    func oddKeys() async throws {
        let store = try await TestBuckets.shared.store(.moto)
        for key in ["a b+c%20d/e", "\u{1234}/ü", "a=b&c?d#e", "~*'()!$,;:@", "a/./b", "a//b"] {
            #expect(try await store.put(rawKey: key) == 200, "\(key)")
        }
        let listed = try await store.exchange(
            "GET", nil, query: [("list-type", "2"), ("prefix", "below/here/\u{1234}/")])
        #expect(listed.status == 200)
        #expect(String(decoding: listed.body, as: UTF8.self).contains("\u{1234}/ü"))
    }
}

extension S3Store {
    /// Puts an object of one byte with a key that is no object name; answers with the status.
    func put(rawKey key: String) async throws -> Int {
        let payload = S3Text.hex(Digest.sha256([7]))
        let signed = signer.sign(
            "PUT", name: key, query: [], headers: [:], payload: payload, at: .now())
        return try await exchange("PUT", url: signed.url, headers: signed.headers, body: [7]).status
    }
}

/// Waits until `holds` answers true; half a minute at most.
func eventually(_ what: String, _ holds: () async throws -> Bool) async throws {
    let clock = ContinuousClock()
    let end = clock.now + .seconds(30)
    while clock.now < end {
        if try await holds() { return }
        try await clock.sleep(for: .milliseconds(20))
    }
    Issue.record("it never came: \(what)")
}
