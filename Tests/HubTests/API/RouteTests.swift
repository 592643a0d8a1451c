import HTTP
import Testing

@testable import Hub

@Suite("Route")
struct RouteTests {
    private func route(_ path: String) -> Route {
        Route("GET", path, .admin) { _ in HTTPResponse(status: 200) }
    }

    @Test("a pattern takes just the paths of its form")
    func matches() {
        let plain = route("/v1/projects")
        #expect(plain.match(["v1", "projects"]) == [:])
        #expect(plain.match(["v1", "projects", "x"]) == nil)
        #expect(plain.match(["v1"]) == nil)
        let one = route("/v1/projects/:project/start")
        #expect(one.match(["v1", "projects", "notes", "start"]) == ["project": "notes"])
        #expect(one.match(["v1", "projects", "", "start"]) == nil)
        let rest = route("/v1/agent/operations/:operation/objects/*")
        #expect(
            rest.match(["v1", "agent", "operations", "o", "objects", "data", "ab", "abcd"])
                == ["operation": "o", "*": "data/ab/abcd"])
        #expect(rest.match(["v1", "agent", "operations", "o", "objects"]) == nil)
    }
}
