import HTTP
import Platform
import Shared
import Testing

@testable import CLI

@Suite("berth lists", .timeLimit(.minutes(2)))
struct ListTests {
    private static let project = Samples.projectID.description

    @Test("lists are read page by page up to the limit, in every format")
    func lists() async throws {
        let routes: [String: CannedHub.Route] = [
            "GET /v1/projects": { seen, _ in
                let start = Int(seen.head.queryValue("cursor") ?? "0") ?? 0
                let limit = min(2, Int(seen.head.queryValue("limit") ?? "") ?? 0)
                let items = (start..<min(5, start + limit)).map { Samples.project(name: "p\($0)") }
                let next = start + items.count
                return try CannedHub.json(
                    Page(
                        schema: "project.list/1", items: items,
                        nextCursor: next < 5 ? "\(next)" : nil))
            }
        ]
        try await CannedHub.serving(routes) { hub in
            let berth = try BerthProcess(loggedInTo: hub.address)
            let table = try await berth.run(["project", "list"])
            #expect(table.text.split(separator: "\n").count == 6)
            #expect(table.text.hasPrefix("PROJECT"))
            let cut = try await berth.run(["project", "list", "--limit", "3", "--no-header"])
            #expect(cut.text.split(separator: "\n").map { $0.prefix(2) } == ["p0", "p1", "p2"])
            #expect(cut.errorText.contains("--limit"))
            let document = try await berth.run(["project", "list", "-o", "json", "--limit", "3"])
            let page = try JSON.decode(Page<ProjectDescription>.self, from: document.output)
            #expect(page.schema == "project.list/1")
            #expect(page.items.map(\.name) == ["p0", "p1", "p2"])
            #expect(page.nextCursor == "3")
            let rest = try await berth.run(["project", "list", "-ojsonl", "--cursor", "3"])
            let lines = rest.text.split(separator: "\n")
            #expect(lines.count == 2)
            for line in lines {
                let item = try JSON.decode(JSONValue.self, from: line.utf8)
                #expect(item["schema"] == .string("project/1"))
            }
            let ids = try await berth.run(["project", "list", "-o", "id"])
            #expect(ids.text == String(repeating: Self.project + "\n", count: 5))
        }
    }

    @Test("an empty list is said on standard error, and is an empty document")
    func emptyList() async throws {
        let routes: [String: CannedHub.Route] = [
            "GET /v1/hosts": { _, _ in
                try CannedHub.json(
                    Page<HostDescription>(schema: "host.list/1", items: [], nextCursor: nil))
            }
        ]
        try await CannedHub.serving(routes) { hub in
            let berth = try BerthProcess(loggedInTo: hub.address)
            let table = try await berth.run(["host", "list"])
            #expect(table.text.isEmpty)
            #expect(table.errorText.contains("berth host enroll"))
            let document = try await berth.run(["host", "list", "-o", "json"])
            #expect(try JSON.decode(JSONValue.self, from: document.output)["items"] == .array([]))
            #expect(document.errorText.isEmpty)
        }
    }
}
