import HTTP
import Platform
import Shared
import Testing

@testable import CLI

@Suite("berth", .timeLimit(.minutes(2)))
struct CommandTests {
    private static let id = Samples.operationID().description
    private static let project = Samples.projectID.description
    private static let row = "GET /v1/operations/\(id)"

    private static func ended(
        _ kind: OperationKind, result: JSONValue? = nil
    ) -> CannedHub.Route {
        { _, _ in
            try CannedHub.json(
                Samples.operation(.succeeded, kind: kind, result: result), status: 202)
        }
    }

    private static func show(isRunning: Bool) -> CannedHub.Route {
        { _, _ in try CannedHub.json(Samples.project(isRunning: isRunning)) }
    }

    @Test(
        "a refusal is told with its hint, and has its exit code",
        arguments: [
            (404, "project-not-found", 4), (409, "guarded", 5), (401, "token", 6), (403, "role", 6),
            (429, "slow", 12), (400, "bad-path", 2), (507, "bucket-full", 5),
        ] as [(Int, String, Int32)])
    func refusals(status: Int, code: String, exit: Int32) async throws {
        let routes: [String: CannedHub.Route] = [
            "GET /v1/projects/ghost": { _, _ in
                try CannedHub.problem(status, code, "it is \u{1B}[31mso", hint: "do this")
            }
        ]
        try await CannedHub.serving(routes) { hub in
            let berth = try BerthProcess(loggedInTo: hub.address)
            let words = try await berth.run(["project", "show", "ghost"])
            #expect(words.code == exit)
            #expect(words.text.isEmpty)
            #expect(words.errorText == "error: it is \\x1b[31mso\ndo this\n")
            let document = try await berth.run(["project", "show", "ghost", "--json"])
            #expect(document.code == exit)
            let error = try JSON.decode(JSONValue.self, from: document.errorOutput)
            #expect(error["code"] == .string(code))
            #expect(error["status"] == .integer(Int64(status)))
            #expect(error["hint"] == .string("do this"))
        }
    }

    @Test("a name that means several things lists them")
    func ambiguous() async throws {
        let routes: [String: CannedHub.Route] = [
            "GET /v1/projects/9f3c": { _, _ in
                try CannedHub.problem(
                    400, "ambiguous", "\"9f3c\" matches 2 projects", hint: "use more characters",
                    candidates: ["thesis-data", "ml-labs"])
            }
        ]
        try await CannedHub.serving(routes) { hub in
            let result = try await BerthProcess(loggedInTo: hub.address).run(
                ["project", "show", "9f3c"])
            #expect(result.code == 2)
            #expect(
                result.errorText
                    == "error: \"9f3c\" matches 2 projects\n  thesis-data\n  ml-labs\nuse more characters\n"
            )
        }
    }

    @Test("a hub that is not there is 7, after more than one try, and says where it was sought")
    func unreachable() async throws {
        let port = try await CannedHub.serving([:]) { $0.server.port }
        let berth = try BerthProcess(loggedInTo: "http://127.0.0.1:\(port)")
        let result = try await berth.run(["status", "-v"])
        #expect(result.code == 7)
        #expect(result.errorText.contains("127.0.0.1:\(port)"))
        #expect(result.errorText.split(separator: "\n").count { $0.hasPrefix("GET ") } == 4)
    }

    @Test("with several addresses the next one is tried")
    func failover() async throws {
        let port = try await CannedHub.serving([:]) { $0.server.port }
        let routes: [String: CannedHub.Route] = [
            "GET /v1/status": { _, _ in try CannedHub.json(Samples.status(hosts: 3)) }
        ]
        try await CannedHub.serving(routes) { hub in
            let berth = try BerthProcess()
            let hubs = ["http://127.0.0.1:\(port)", hub.address]
            try Context(hubs: hubs, name: "a", token: "t", authority: nil).save(
                to: berth.contextPath)
            let result = try await berth.run(["status"])
            #expect(result.code == 0)
            #expect(result.text.contains("HOSTS"))
        }
    }

    @Test(
        "something that is no hub is told apart from one",
        arguments: [(200, "<html>hello</html>", 1), (200, #"{"version":1}"#, 1), (404, "nope", 4)]
            as [(Int, String, Int32)])
    func noHub(status: Int, body: String, exit: Int32) async throws {
        let routes: [String: CannedHub.Route] = [
            "GET /v1/status": { _, _ in HTTPResponse(status: status, body: .text(body)) }
        ]
        try await CannedHub.serving(routes) { hub in
            let result = try await BerthProcess(loggedInTo: hub.address).run(["status"])
            #expect(result.code == exit)
            #expect(result.errorText.contains("hub"))
        }
    }

    @Test("exec passes output and exit code on, and sends the command as it is")
    func execute() async throws {
        let result = VolumeExecuteResult(exitCode: 42, output: "one\ntwo", isTruncated: false)
        let routes = [
            "POST /v1/projects/notes/execute": Self.ended(.execute, result: try JSON.value(result))
        ]
        try await CannedHub.serving(routes) { hub in
            let done = try await BerthProcess(loggedInTo: hub.address).run([
                "project", "exec", "notes", "--root", "--timeout", "90s", "--", "ls", "-la", "--x",
            ])
            #expect(done.code == 42)
            #expect(done.text == "one\ntwo")
            let seen = try #require(hub.requests("POST /v1/projects/notes/execute").first)
            let request = try JSON.decode(ExecuteRequest.self, from: seen.body)
            #expect(request.command == ["ls", "-la", "--x"])
            #expect(request.asRoot)
            #expect(request.timeoutSeconds == 90)
        }
    }

    @Test("a backup with omissions is partly done: 3, and names them")
    func partial() async throws {
        let reference = BackupReference(
            id: BackupID(milliseconds: 1, random: (1, 2)), project: Samples.projectID,
            snapshot: "ab", rootTree: "cd", takenAt: Samples.now)
        let result = VolumeBackupResult(
            backup: reference, files: 20_013, bytes: 1 << 30, addedBytes: 1 << 20,
            storedBytes: 1 << 19, omissions: ["run/x\n.sock"], isCurrent: true)
        let routes = [
            "POST /v1/projects/notes/backup": Self.ended(.backup, result: try JSON.value(result))
        ]
        try await CannedHub.serving(routes) { hub in
            let berth = try BerthProcess(loggedInTo: hub.address)
            let words = try await berth.run(["backup", "create", "notes"])
            #expect(words.code == 3)
            #expect(words.text.contains("20,013 files, 1.0 GiB, 1.0 MiB new, 512.0 KiB stored"))
            #expect(words.errorText.contains(#"left out: run/x\n.sock"#))
            let id = try await berth.run(["backup", "create", "notes", "-o", "id"])
            #expect(id.text == "\(reference.id)\n")
        }
    }

    @Test("paths go to the hub byte by byte")
    func rawPaths() async throws {
        let restore = "POST /v1/projects/\(Self.project)/restore"
        let routes = [
            "GET /v1/projects/notes": Self.show(isRunning: true), restore: Self.ended(.restore),
        ]
        try await CannedHub.serving(routes) { hub in
            let result = try await BerthProcess(loggedInTo: hub.address).shell(
                #"$berth backup restore notes --path $'a/\377\n' --to b --overwrite always"#)
            #expect(result.code == 0)
            #expect(result.text == "✔ restored a/\\xff\\n of \"notes\" from latest in 38.2s\n")
            let seen = try #require(hub.requests(restore).first)
            let request = try JSON.decode(RestoreRequest.self, from: seen.body)
            #expect(request.path?.bytes == [0x61, 0x2F, 0xFF, 0x0A])
            #expect(request.destination?.description == "b")
            #expect(request.overwrite == .always)
            #expect(request.backup == "latest")
        }
    }

    @Test(
        "a directory of a backup is asked for by its name, or in base 64, and shown without harm",
        arguments: [("a b/é", "path", "a b/é"), (#"a/\377"#, "path64", "YS//")])
    func entries(path: String, parameter: String, value: String) async throws {
        let entries = "GET /v1/projects/notes/backups/latest/entries"
        let names: [[UInt8]] = [Array("plain".utf8), [0x61, 0x0A, 0xFF], Array("ü\u{1B}[2J".utf8)]
        let routes: [String: CannedHub.Route] = [
            entries: { _, _ in
                try CannedHub.json(
                    Page(
                        schema: "entry.list/1", items: names.map { Samples.entry($0) },
                        nextCursor: nil))
            }
        ]
        try await CannedHub.serving(routes) { hub in
            let result = try await BerthProcess(loggedInTo: hub.address).shell(
                "$berth backup ls notes latest $'\(path)' -o id")
            #expect(result.code == 0)
            #expect(result.text == "plain\n" + #"a\n\xff"# + "\n" + #"ü\x1b[2J"# + "\n")
            #expect(hub.requests(entries).first?.head.queryValue(parameter) == value)
        }
    }

    @Test(
        "paths that leave the project never reach the hub",
        arguments: [
            ["backup", "ls", "notes", "latest", "../x"],
            ["backup", "ls", "notes", "latest", "/etc"],
            ["backup", "restore", "notes", "--path", "a/../b"],
            ["copy", "create", "notes", "/abs", "--to", "x"],
            ["copy", "create", "notes", "a", "--to", "x:../y"],
            ["project", "import", "notes", "relative"],
            ["project", "import", "notes", "/srv", "--to", "../x"],
        ])
    func badPaths(words: [String]) async throws {
        try await CannedHub.serving([:]) { hub in
            let result = try await BerthProcess(loggedInTo: hub.address).run(words)
            #expect(result.code == 2)
            #expect(result.errorText.hasPrefix("error: "))
            #expect(result.errorText.split(separator: "\n").count == 2)
            let asked = hub.requests("POST /v1/copies") + hub.requests("GET /v1/projects/notes")
            #expect(asked.isEmpty)
        }
    }

    @Test("destinations with the same path share a request")
    func copies() async throws {
        let routes = ["POST /v1/copies": Self.ended(.copy)]
        try await CannedHub.serving(routes) { hub in
            let result = try await BerthProcess(loggedInTo: hub.address).run([
                "copy", "create", "course", "handout", "--to", "anna", "--to", "ben", "--to",
                "eve:week1/handout",
            ])
            #expect(result.code == 0)
            #expect(result.text.contains("copied handout into 2 projects"))
            let requests = try hub.requests("POST /v1/copies").map {
                try JSON.decode(CreateCopyRequest.self, from: $0.body)
            }
            #expect(requests.map(\.destinations) == [["anna", "ben"], ["eve"]])
            #expect(requests.map { $0.destinationPath?.description } == [nil, "week1/handout"])
        }
    }

    @Test("the key goes to a file of its owner alone, or to lines for a shell")
    func exportKey() async throws {
        let export = RepositoryKeyExport(
            repository: RepositoryID(milliseconds: 1, random: (1, 2)), location: "/srv/b'k",
            password: "pass$word")
        let routes: [String: CannedHub.Route] = [
            "POST /v1/projects/notes/repository-key": { _, _ in try CannedHub.json(export) }
        ]
        try await CannedHub.serving(routes) { hub in
            let berth = try BerthProcess(loggedInTo: hub.address)
            let lines = try await berth.shell(
                #"eval "$($berth backup export-key notes -q)"; echo "$RESTIC_REPOSITORY $RESTIC_PASSWORD""#
            )
            #expect(lines.text == "/srv/b'k pass$word\n")
            let file = try await berth.shell(
                "$berth backup export-key notes --password-file key -o json && stat -c %a key && cat key"
            )
            #expect(file.code == 0)
            #expect(file.text.hasSuffix("}\n600\npass$word\n"))
            #expect(!file.text.contains("\"password\""))
        }
    }

    @Test("what nobody reads ends silently with 141; a full disk is an error")
    func output() async throws {
        let berth = try BerthProcess()
        let pipe = try await berth.shell("exec 3> >(exit 0); wait $!; $berth help >&3")
        #expect(pipe.code == 141)
        #expect(pipe.errorText.isEmpty)
        let full = try await berth.shell("$berth help > /dev/full")
        #expect(full.code == 1)
        #expect(full.errorText.contains("No space left on device"))
    }

    @Test("without a login every command that needs one says how to log in")
    func notLoggedIn() async throws {
        let berth = try BerthProcess()
        let result = try await berth.run(["status"])
        #expect(result.code == 6)
        #expect(result.errorText.contains("berth login"))
        let damaged = try await berth.shell("echo '{}' > c; $berth status --config c")
        #expect(damaged.code == 2)
        #expect(damaged.errorText.contains("c is not a login that berth wrote"))
        let document = try await berth.run(["projct", "-o", "json"])
        #expect(document.code == 2)
        let error = try JSON.decode(JSONValue.self, from: document.errorOutput)
        #expect(error["exitCode"] == .integer(2))
    }

    @Test("the completion script completes nouns, verbs and flags in bash")
    func completion() async throws {
        let berth = try BerthProcess()
        func complete(_ words: String) async throws -> String {
            let list = words.split(separator: " ", omittingEmptySubsequences: false)
            let quoted = list.map { "'\($0)'" }.joined(separator: " ")
            let script = """
                eval "$($berth completion bash)"; COMP_WORDS=(\(quoted)); COMP_CWORD=\(list.count - 1)
                _berth; echo "${COMPREPLY[@]}"
                """
            return try await berth.shell(script).text
        }
        #expect(try await complete("berth pro") == "project\n")
        #expect(try await complete("berth project st") == "start stop\n")
        #expect(try await complete("berth project move x --ac") == "--accept-loss\n")
        #expect(try await complete("berth status --no-h") == "--no-header\n")
    }
}
