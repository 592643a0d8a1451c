import Glibc
import HTTP
import Platform
import Testing

@Suite("HTTP streams", .timeLimit(.minutes(2)), .serialized)
struct StreamTests {
    private static let objectBytes = 16 << 20

    @Test("16 MiB go up and come down unchanged", arguments: [false, true], [false, true])
    func object(hasLength: Bool, isEncrypted: Bool) async throws {
        var options = HTTPServerOptions()
        var clientOptions = HTTPClientOptions()
        if isEncrypted {
            let authority = try CertificateAuthority(named: "Test CA")
            options.tls = try authority.issueServerIdentity(for: ["127.0.0.1"])
            clientOptions.trust = .authorities(pem: authority.certificate.pem)
        }
        let object = patternBytes(Self.objectBytes)
        let stored = Locked<[UInt8]>([])
        let length = hasLength ? Int64(object.count) : nil
        let handler: HTTPServer.Handler = { request, body in
            guard request.method == "PUT" else {
                let bytes = stored.withLock { $0 }
                return HTTPResponse(
                    status: 200, body: .stream(length: length) { try await $0.write(all: bytes) })
            }
            do {
                for try await piece in body.limited(toBytes: Int64(Self.objectBytes)) {
                    stored.withLock { $0 += piece }
                }
                return HTTPResponse(status: 204)
            } catch {
                return HTTPResponse(status: 500, body: .text("\(error)"))
            }
        }
        try await withServer(options, handler) { [clientOptions] url, _ in
            let client = try HTTPClient(options: clientOptions)
            let put = try await client.send(
                HTTPClientRequest(
                    method: "PUT", url: url + "/object",
                    body: .stream(length: length) { try await $0.write(all: object) }))
            #expect(put.status == 204)
            #expect(stored.withLock { $0 } == object)
            let get = try await client.send(HTTPClientRequest(url: url + "/object"))
            #expect(get.body.announcedBytes == length)
            #expect(try await get.body.collect(limitBytes: Self.objectBytes) == object)
            let head = try await client.send(
                HTTPClientRequest(method: "HEAD", url: url + "/object"))
            #expect(head.status == 200)
            #expect(head.headers["Content-Length"] == length.map(String.init))
            #expect(try await head.body.collect(limitBytes: 0) == [])
        }
    }

    @Test("a slow reader holds the writer back: 256 MiB never pile up", arguments: [false, true])
    func backPressure(isUpload: Bool) async throws {
        let total = 256 << 20
        let piece = patternBytes(1 << 20)
        let handler: HTTPServer.Handler = { _, body in
            guard isUpload else {
                return HTTPResponse(
                    status: 200,
                    body: .stream(length: nil) { writer in
                        for _ in 0..<256 { try await writer.write(piece) }
                    })
            }
            let read = try? await Self.readSlowly(body.limited(toBytes: Int64(total)))
            return HTTPResponse(status: 200, body: .text("\(read ?? (0, 0))"))
        }
        try await withServer(HTTPServerOptions(), handler) { url, _ in
            let client = try HTTPClient()
            var growth = 0
            if isUpload {
                let response = try await client.send(
                    HTTPClientRequest(
                        method: "PUT", url: url + "/",
                        body: .stream(length: Int64(total)) { writer in
                            for _ in 0..<256 { try await writer.write(piece) }
                        }))
                let text = String(
                    decoding: try await response.body.collect(limitBytes: 100), as: UTF8.self)
                #expect(text.hasPrefix("(\(total), "))
                growth = Int(text.dropLast().split(separator: " ")[1]) ?? .max
            } else {
                let response = try await client.send(HTTPClientRequest(url: url + "/"))
                let read = try await Self.readSlowly(response.body)
                #expect(read.0 == total)
                growth = read.1
            }
            print("figure http_backpressure_growth_kib \(growth >> 10)")
            // AddressSanitizer keeps freed memory for a while.
            #expect(growth < 128 << 20)
        }
    }

    /// Reads to the end, resting now and then, and says how many bytes came and how far the
    /// process grew meanwhile.
    private static func readSlowly(_ body: HTTPBodyStream) async throws -> (Int, Int) {
        let before = try residentBytes()
        var total = 0
        var growth = 0
        var rests = 0
        for try await piece in body {
            total += piece.count
            if total >> 23 > rests {
                rests += 1
                try await Task.sleep(for: .milliseconds(5))
                growth = max(growth, try residentBytes() - before)
            }
        }
        return (total, growth)
    }

    @Test(
        "a body that is shorter or longer than announced fails on both sides", arguments: [9, 11])
    func wrongLength(count: Int) async throws {
        let produce: @Sendable (HTTPBodyWriter) async throws -> Void = {
            try await $0.write([UInt8](repeating: 1, count: count))
        }
        let handler: HTTPServer.Handler = { request, body in
            guard request.method == "GET" else {
                let bytes = try? await body.collect(limitBytes: 100)
                return HTTPResponse(status: bytes == nil ? 400 : 200)
            }
            return HTTPResponse(status: 200, body: .stream(length: 10, produce: produce))
        }
        try await withServer(HTTPServerOptions(), handler) { url, _ in
            let client = try HTTPClient()
            let error = await #expect(throws: HTTPError.self) {
                try await client.send(
                    HTTPClientRequest(
                        method: "PUT", url: url + "/", body: .stream(length: 10, produce: produce)))
            }
            #expect(error?.code == .invalidMessage)
            await #expect(throws: HTTPError.self) {
                let response = try await client.send(HTTPClientRequest(url: url + "/"))
                _ = try await response.body.collect(limitBytes: 100)
            }
        }
    }

    @Test("200 idle event streams all hear a broadcast")
    func broadcast() async throws {
        let bell = Bell()
        let handler: HTTPServer.Handler = { _, _ in
            HTTPResponse(
                status: 200, headers: ["Content-Type": "text/event-stream"],
                body: .stream(length: nil) { writer in
                    try await writer.write(SSEEncoder.heartbeat)
                    await bell.wait()
                    try await writer.write(
                        SSEEncoder.encode(SSEEvent(id: "1", event: "rung", data: "now")))
                })
        }
        try await withServer(HTTPServerOptions(), handler) { url, _ in
            let client = try {
                var options = HTTPClientOptions()
                options.connectionsPerHostLimit = 256
                return try HTTPClient(options: options)
            }()
            let heard = try await withThrowingTaskGroup { group in
                for _ in 0..<200 {
                    group.addTask {
                        let response = try await client.send(
                            HTTPClientRequest(url: url + "/", deadline: nil, stallTimeout: nil))
                        var events: [SSEEvent] = []
                        for try await event in SSEStream(response.body) { events.append(event) }
                        return events
                    }
                }
                await bell.ring(whenWaiting: 200)
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(
                heard
                    == Array(repeating: [SSEEvent(id: "1", event: "rung", data: "now")], count: 200)
            )
        }
    }
}

/// Tasks that wait until somebody rings.
private actor Bell {
    private var waiting: [CheckedContinuation<Void, Never>] = []
    private var ringer: (count: Int, continuation: CheckedContinuation<Void, Never>)?

    func wait() async {
        await withCheckedContinuation { mine in
            waiting.append(mine)
            if let ringer, waiting.count >= ringer.count { ringer.continuation.resume() }
        }
    }

    func ring(whenWaiting count: Int) async {
        if waiting.count < count {
            await withCheckedContinuation { ringer = (count, $0) }
        }
        for one in waiting { one.resume() }
        waiting = []
    }
}

extension HTTPBodyWriter {
    fileprivate func write(all bytes: [UInt8]) async throws {
        for start in stride(from: 0, to: bytes.count, by: 100_000) {
            try await write(Array(bytes[start..<min(bytes.count, start + 100_000)]))
        }
    }
}

/// The process's resident memory (proc(5), statm).
private func residentBytes() throws -> Int {
    let text = String(decoding: try DurableFile.read("/proc/self/statm"), as: UTF8.self)
    let pages = text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
    return pages * Int(sysconf(Int32(_SC_PAGESIZE)))
}
