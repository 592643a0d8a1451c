import HTTP
import ObjectStore
import Platform
import Testing

/// What a host's store does when the gateway does not answer as it should.
@Suite(.timeLimit(.minutes(2)))
struct GrantedStoreTests {
    private static func store(_ url: String, token: String = "t", patience: Duration = .seconds(20))
        throws -> GrantedStore
    {
        var options = GrantedStore.Options.quick
        options.patience = patience
        return GrantedStore(
            client: try HTTPClient(), url: url,
            headers: ["Authorization": "Bearer \(token)", "Berth-Epoch": "7"], options: options)
    }

    @Test(
        "Refusals that ask for patience are tried again until they pass",
        arguments: [500, 502, 503, 504, 429, 408])
    func retries(status: Int) async throws {
        let place = try TemporaryDirectory()
        let count = Locked(0)
        var gateway = Gateway(store: try DirectoryStore(root: place.path))
        gateway.fault = { _ in
            let attempt = count.withLock { count -> Int in
                count += 1
                return count
            }
            return attempt % 3 == 0 ? nil : HTTPResponse(status: status)
        }
        try await gateway.serve { url in
            let store = try Self.store(url)
            let name = try ObjectName("data/ab/abcd")
            #expect(try await store.put(name, .bytes([1, 2, 3])))
            #expect(try await store.get(name, limitBytes: 3) == [1, 2, 3])
        }
        #expect(count.withLock { $0 } == 6)
    }

    @Test(
        "Final refusals are not tried again and say what they are",
        arguments: [
            (409, "lease-lost", ObjectStoreError.Code.leaseLost), (409, "", .leaseLost),
            (409, "object-exists", .alreadyExists), (401, "", .denied), (403, "", .denied),
            (422, "digest-mismatch", .digest), (507, "bucket-full", .full), (400, "", .failed),
            (503, "bucket-missing", .bucketMissing),
        ])
    func final(status: Int, problem: String, code: ObjectStoreError.Code) async throws {
        let place = try TemporaryDirectory()
        let count = Locked(0)
        var gateway = Gateway(store: try DirectoryStore(root: place.path))
        gateway.fault = { _ in
            count.withLock { $0 += 1 }
            return HTTPResponse(
                status: status, body: .text(#"{"code":"\#(problem)","detail":"the reason"}"#))
        }
        try await gateway.serve { url in
            let error = await #expect(throws: ObjectStoreError.self) {
                try await Self.store(url).put(ObjectName("data/ab/abcd"), .bytes([1]))
            }
            #expect(error?.code == code)
            #expect(error?.message.contains("the reason") == true)
        }
        #expect(count.withLock { $0 } == 1)
    }

    @Test(
        "What the hub says of itself is not taken for the bucket's",
        arguments: [
            (503, "bucket-unavailable", ObjectStoreError.Code.unavailable),
            (500, "bucket-failed", .unavailable), (503, "database-unavailable", .hubUnavailable),
            (503, "hub-trouble", .hubUnavailable), (500, "internal", .hubUnavailable),
            (502, "", .hubUnavailable), (429, "", .hubUnavailable),
        ])
    func blame(status: Int, problem: String, code: ObjectStoreError.Code) async throws {
        let place = try TemporaryDirectory()
        var gateway = Gateway(store: try DirectoryStore(root: place.path))
        gateway.fault = { _ in
            HTTPResponse(status: status, body: .text(#"{"code":"\#(problem)"}"#))
        }
        try await gateway.serve { url in
            let error = await #expect(throws: ObjectStoreError.self) {
                try await Self.store(url, patience: .milliseconds(20)).get(
                    ObjectName("config"), limitBytes: 9)
            }
            #expect(error?.code == code)
        }
    }

    @Test("A download that breaks off goes on where it stopped, without gap or repetition")
    func resumes() async throws {
        let place = try TemporaryDirectory()
        let bytes = Random.bytes(4 << 20)
        let directory = try DirectoryStore(root: place.path)
        let name = try ObjectName("data/ab/abcd")
        try await directory.put(name, .bytes(bytes))
        let ranges = Locked<[String]>([])
        var gateway = Gateway(store: directory)
        gateway.fault = { request in
            let range = request.headers["Range"] ?? ""
            let isFirst = ranges.withLock { ranges -> Bool in
                ranges.append(range)
                return ranges.count == 1
            }
            // The first answer promises everything and breaks off after 1 MiB.
            guard isFirst else { return nil }
            return HTTPResponse(
                status: 200,
                body: .stream(length: Int64(bytes.count)) { writer in
                    try await writer.write(Array(bytes[..<(1 << 20)]))
                    throw CancellationError()
                })
        }
        try await gateway.serve { url in
            let store = try Self.store(url)
            #expect(try await store.get(name, limitBytes: bytes.count) == bytes)
        }
        let asked = ranges.withLock { $0 }
        #expect(asked.count == 2)
        #expect(asked.last?.hasPrefix("bytes=") == true)
    }

    @Test("Nobody listening is an error in the end, and says where it tried")
    func unreachable() async throws {
        let place = try TemporaryDirectory()
        let url = try await Gateway(store: try DirectoryStore(root: place.path)).serve { $0 }
        let store = try Self.store(url, patience: .milliseconds(300))
        let error = await #expect(throws: ObjectStoreError.self) {
            try await store.get(ObjectName("config"), limitBytes: 9)
        }
        #expect(error?.code == .hubUnavailable, "the bucket has nothing to do with it")
        #expect(error?.description.contains("127.0.0.1") == true)
    }

    @Test("A wrong token is denied")
    func token() async throws {
        let place = try TemporaryDirectory()
        try await Gateway(store: try DirectoryStore(root: place.path)).serve { url in
            let store = try Self.store(url, token: "other")
            await expect(.denied) { _ = try await store.list(.all) }
        }
    }
}
