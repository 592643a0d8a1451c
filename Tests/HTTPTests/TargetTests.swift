import HTTP
import Testing

@Suite("Request target")
struct TargetTests {
    @Test(
        "segments are decoded strictly",
        arguments: [
            ("/", []), ("/a", ["a"]), ("/a/", ["a", ""]), ("//a", ["", "a"]),
            ("/a%2Fb/c", ["a/b", "c"]), ("/%C3%BC+%20", ["ü+ "]), ("/%25", ["%"]),
            ("/a%0Ab", ["a\nb"]),
        ] as [(String, [String])])
    func segments(target: String, segments: [String]) throws {
        #expect(try HTTPRequest(method: "GET", target: target).pathSegments == segments)
    }

    @Test(
        "what cannot be decoded is refused",
        arguments: [
            "", "a", "*", "http://host/", "/%", "/%2", "/%2g", "/%00", "/a%00b", "/%ff",
            "/%C3", "/a/../b", "/..", "/.", "/%2e%2e/b", "/a?x=%00", "/a?%=1",
        ])
    func refused(target: String) {
        let error = #expect(throws: HTTPError.self) {
            try HTTPRequest(method: "GET", target: target)
        }
        #expect(error?.code == .badRequest)
    }

    @Test("the query keeps its order and repetitions")
    func query() throws {
        let request = try HTTPRequest(method: "GET", target: "/a?b=1&c&b=2+3%2B&=x&&d=e=f?g")
        let expected = [("b", "1"), ("c", ""), ("b", "2 3+"), ("", "x"), ("d", "e=f?g")]
        #expect(request.query == expected.map { HTTPRequest.QueryItem(name: $0.0, value: $0.1) })
        #expect(request.queryValue("b") == "1")
        #expect(request.queryValue("z") == nil)
        #expect(request.path == "/a")
    }
}

@Suite("Header fields")
struct HeadersTests {
    @Test("names compare without case, order and repetitions stay")
    func fields() {
        var headers: HTTPHeaders = ["A": "1", "b": "2", "a": "3"]
        #expect(headers["a"] == "1")
        #expect(headers.values(of: "A") == ["1", "3"])
        headers["a"] = "4"
        #expect(headers.fields.map(\.name) == ["b", "a"])
        headers.append("B", "5")
        #expect(headers.values(of: "b") == ["2", "5"])
        headers["B"] = nil
        #expect(headers.fields.map(\.value) == ["4"])
        #expect(headers["c"] == nil)
    }
}
