import HTTP
import Testing

@Suite("HTTP server", .timeLimit(.minutes(1)))
struct ServerTests {
    @Test("an address in use is refused by name")
    func addressInUse() throws {
        var options = HTTPServerOptions()
        let first = try HTTPServer(options: options) { _, _ in HTTPResponse(status: 200) }
        options.port = first.port
        let error = #expect(throws: HTTPError.self) {
            _ = try HTTPServer(options: options) { _, _ in HTTPResponse(status: 200) }
        }
        #expect(error?.code == .couldNotListen)
        #expect(error?.message.contains("127.0.0.1:\(first.port)") == true)
    }

    @Test("the handler sees the request as it was sent and the client the response")
    func roundTrip() async throws {
        let handler: HTTPServer.Handler = { request, body in
            guard let bytes = try? await body.collect(limitBytes: 1000) else {
                return HTTPResponse(status: 413)
            }
            let query = request.query.map { "\($0.name)=\($0.value)" }.joined(separator: ",")
            let text = [
                request.method, request.path, request.pathSegments.joined(separator: "|"), query,
                request.headers["x-test"] ?? "", String(decoding: bytes, as: UTF8.self),
            ].joined(separator: "\n")
            return HTTPResponse(status: 201, headers: ["X-Answer": "yes"], body: .text(text))
        }
        try await withServer(HTTPServerOptions(), handler) { url, _ in
            let client = try HTTPClient()
            let response = try await client.send(
                HTTPClientRequest(
                    method: "POST", url: "\(url)/a%2Fb/c?x=1%20+&y", headers: ["X-Test": "t"],
                    body: .text("hello")))
            #expect(response.status == 201)
            #expect(response.headers["x-answer"] == "yes")
            let text = String(
                decoding: try await response.body.collect(limitBytes: 1000), as: UTF8.self)
            #expect(text == "POST\n/a%2Fb/c\na/b|c\nx=1  ,y=\nt\nhello")
        }
    }

    @Test("a body beyond its limit is answered 413", arguments: [false, true])
    func tooLarge(isStreamed: Bool) async throws {
        try await withServer(
            HTTPServerOptions(),
            { _, body in
                do {
                    let bytes = try await body.collect(limitBytes: 1 << 20)
                    return HTTPResponse(status: 200, body: .text("\(bytes.count)"))
                } catch let error as HTTPError where error.code == .tooLarge {
                    return HTTPResponse(status: 413)
                } catch {
                    return HTTPResponse(status: 500)
                }
            }
        ) { url, _ in
            let client = try HTTPClient()
            for (count, status) in [(1 << 20, 200), (1 << 20 + 1, 413), (3 << 20, 413)] {
                let bytes = [UInt8](repeating: 7, count: count)
                let body: HTTPBody =
                    isStreamed ? .stream(length: nil) { try await $0.write(bytes) } : .bytes(bytes)
                let response = try await client.send(
                    HTTPClientRequest(method: "PUT", url: url + "/", body: body))
                #expect(response.status == status)
            }
        }
    }
}
