import Glibc
import HTTP
import Platform
import Shared
import Testing

@Suite("berth waits", .timeLimit(.minutes(2)))
struct WaitingTests {
    private static let id = Samples.operationID().description
    private static let row = "GET /v1/operations/\(id)"
    private static let events = "GET /v1/operations/\(id)/events"
    private static let start = "POST /v1/projects/notes/start"

    private static let accepted: CannedHub.Route = { _, _ in
        try CannedHub.json(Samples.operation(.queued, kind: .start), status: 202)
    }

    private static func ending(
        _ state: OperationState, after count: Int = 1, failure: Failure? = nil
    ) -> CannedHub.Route {
        { _, asked in
            try CannedHub.json(
                Samples.operation(
                    asked > count ? state : .running, kind: .start, failure: failure))
        }
    }

    /// Never says anything, and never ends.
    private static let silence: CannedHub.Route = { _, _ in
        CannedHub.events { writer in
            try await writer.write(SSEEncoder.heartbeat)
            try await Task.sleep(for: .seconds(600))
        }
    }

    @Test("the row's end ends the wait, and the result goes to standard output alone")
    func succeeded() async throws {
        let routes = [
            Self.start: Self.accepted, Self.row: Self.ending(.succeeded), Self.events: Self.silence,
        ]
        try await CannedHub.serving(routes) { hub in
            let result = try await BerthProcess(loggedInTo: hub.address).run(
                ["project", "start", "notes"])
            #expect(result.text == "✔ started \"notes\" in 38.2s\n")
            #expect(result.errorText.contains("\(Self.id) "))
            #expect(!result.errorText.contains("\u{1B}"))
            #expect(result.code == 0)
            let post = try #require(hub.requests(Self.start).first)
            #expect(post.head.headers["Authorization"] == "Bearer secret-token")
            #expect(post.head.headers["Idempotency-Key"]?.hasPrefix("request_") == true)
            #expect(post.body.isEmpty)
            #expect(hub.requests(Self.row).allSatisfy { $0.head.queryValue("wait") != nil })
        }
    }

    @Test(
        "whatever happens to the stream of progress, the row decides",
        arguments: ["silent", "missing", "broken", "garbage", "ends", "huge"])
    func stream(kind: String) async throws {
        let stream: CannedHub.Route = { seen, count in
            switch kind {
            case "silent": return try await Self.silence(seen, count)
            case "missing": return try CannedHub.problem(404, "not-found", "no stream")
            case "broken": return CannedHub.brokenOff()
            case "ends": return CannedHub.events { _ in }
            case "huge":
                return CannedHub.events { writer in
                    for _ in 0..<40 {
                        try await writer.write([UInt8](repeating: 0x61, count: 65_536))
                    }
                }
            default:
                return CannedHub.events { writer in
                    for text in ["{", "null", #"{"phase":1}"#] {
                        let event = SSEEvent(event: "progress", data: text)
                        try await writer.write(SSEEncoder.encode(event))
                    }
                    try await writer.write([0xFF, 0x0A, 0x0A])
                }
            }
        }
        let routes = [
            Self.start: Self.accepted, Self.row: Self.ending(.succeeded, after: 3),
            Self.events: stream,
        ]
        try await CannedHub.serving(routes) { hub in
            let result = try await BerthProcess(loggedInTo: hub.address).run(
                ["project", "start", "notes"])
            #expect(result.code == 0)
            #expect(result.text.hasPrefix("✔"))
        }
    }

    @Test("progress is shown as it comes, and a lost stream goes on where it was")
    func resumed() async throws {
        let isResumed = Locked(false)
        let routes: [String: CannedHub.Route] = [
            Self.start: Self.accepted,
            Self.row: { _, _ in
                let state: OperationState = isResumed.withLock { $0 } ? .succeeded : .running
                return try CannedHub.json(Samples.operation(state, kind: .start))
            },
            Self.events: { seen, count in
                let progress = Samples.progress(
                    count == 1 ? "restore" : "launch", count, done: 1, total: 2,
                    at: Int64(count) * 1000)
                let data = try JSON.text(progress)
                return CannedHub.events { writer in
                    let event = SSEEvent(id: "4\(count)", event: "progress", data: data)
                    try await writer.write(SSEEncoder.encode(event))
                    guard count > 1 else { return }
                    isResumed.withLock { $0 = seen.head.headers["Last-Event-ID"] == "41" }
                    try await Task.sleep(for: .seconds(600))
                }
            },
        ]
        try await CannedHub.serving(routes) { hub in
            let result = try await BerthProcess(loggedInTo: hub.address).run(
                ["project", "start", "notes"])
            #expect(result.code == 0)
            #expect(result.errorText.contains("restore 1/6 50% 1/2 bytes"))
            #expect(result.errorText.contains("launch 2/6"))
        }
    }

    @Test("--timeout ends the wait with 10, says how to come back, and cancels nothing")
    func timeout() async throws {
        let offline = Waiting(reason: .hostOffline, sentence: "host h7 offline since 14:02")
        let routes: [String: CannedHub.Route] = [
            Self.start: Self.accepted, Self.events: Self.silence,
            Self.row: { _, count in
                if count > 1 { try await Task.sleep(for: .seconds(600)) }
                return try CannedHub.json(
                    Samples.operation(.waiting, kind: .start, waiting: offline))
            },
        ]
        try await CannedHub.serving(routes) { hub in
            let result = try await BerthProcess(loggedInTo: hub.address).run(
                ["project", "start", "notes", "--timeout", "1500ms"])
            #expect(result.code == 10)
            #expect(result.text.isEmpty)
            #expect(result.errorText.contains("waiting: host h7 offline since 14:02"))
            #expect(result.errorText.contains("berth operation watch \(Self.id)"))
            #expect(hub.requests("POST /v1/operations/\(Self.id)/cancel").isEmpty)
        }
    }

    @Test("a hub that goes away in mid-wait and comes back is waited for")
    func restart() async throws {
        var options = HTTPServerOptions()
        let isGone = Locked(false)
        let (asked, firstAsked) = AsyncStream<Void>.makeStream()
        let first: [String: CannedHub.Route] = [
            Self.row: { _, _ in
                firstAsked.yield()
                try await Task.sleep(for: .seconds(600))
                throw CancellationError()
            }
        ]
        let second = [Self.row: Self.ending(.succeeded)]
        options.port = try await CannedHub.serving([:]) { $0.server.port }
        let (here, gone) = (options, isGone)
        let berth = try BerthProcess(loggedInTo: "http://127.0.0.1:\(options.port)")
        let result = try await withThrowingTaskGroup(of: ChildResult?.self) { group in
            group.addTask {
                try await CannedHub.serving(first, options: here) { _ in
                    for await _ in asked { break }
                }
                gone.withLock { $0 = true }
                while true {
                    do {
                        try await CannedHub.serving(second, options: here) { _ in
                            try await Task.sleep(for: .seconds(600))
                        }
                        return nil
                    } catch let error as HTTPError where error.code == .couldNotListen {
                        // On loopback a client may get the port that it asks for as its own.
                        try await Task.sleep(for: .milliseconds(20))
                    }
                }
            }
            group.addTask { try await berth.run(["operation", "watch", Self.id]) }
            // The servers end only with the group.
            let result = try await group.next()
            group.cancelAll()
            return result ?? nil
        }
        #expect(isGone.withLock { $0 })
        #expect(result?.code == 0)
        #expect(result?.text.contains("succeeded") == true)
    }

    @Test("a database that is down for a while is waited for", arguments: [503, 500, 429])
    func unavailable(status: Int) async throws {
        let routes: [String: CannedHub.Route] = [
            Self.start: Self.accepted, Self.events: Self.silence,
            Self.row: { _, count in
                if count < 3 { return try CannedHub.problem(status, "database", "is down") }
                return try CannedHub.json(Samples.operation(.succeeded, kind: .start))
            },
        ]
        try await CannedHub.serving(routes) { hub in
            let result = try await BerthProcess(loggedInTo: hub.address).run(
                ["project", "start", "notes"])
            #expect(result.code == 0)
            #expect(hub.requests(Self.row).count == 3)
        }
    }

    @Test("a request whose answer was lost is sent again with the same key")
    func sameKey() async throws {
        let routes: [String: CannedHub.Route] = [
            Self.start: { seen, count in
                count == 1 ? CannedHub.brokenOff() : try await Self.accepted(seen, count)
            }
        ]
        try await CannedHub.serving(routes) { hub in
            let result = try await BerthProcess(loggedInTo: hub.address).run(
                ["project", "start", "notes", "--detach"])
            #expect(result.code == 0)
            #expect(result.text == Self.id + "\n")
            #expect(result.errorText.isEmpty)
            let keys = hub.requests(Self.start).map { $0.head.headers["Idempotency-Key"] }
            #expect(keys.count == 2)
            #expect(Set(keys).count == 1)
        }
    }

    @Test(
        "an operation's end is the exit code, with words for people and a document for programs",
        arguments: [(OperationState.failed, 8), (.canceled, 9), (.expired, 9)]
            as [(OperationState, Int32)])
    func endings(state: OperationState, code: Int32) async throws {
        let failure = Failure(code: "bucket-full", message: "no space", hint: "make room")
        let routes = [
            Self.start: Self.accepted, Self.events: Self.silence,
            Self.row: Self.ending(state, failure: state == .failed ? failure : nil),
        ]
        try await CannedHub.serving(routes) { hub in
            let berth = try BerthProcess(loggedInTo: hub.address)
            let words = try await berth.run(["project", "start", "notes", "-q"])
            #expect(words.code == code)
            #expect(words.text.isEmpty)
            #expect(words.errorText.hasPrefix("error: start of \"notes\" "))
            if state == .failed { #expect(words.errorText.hasSuffix("no space\nmake room\n")) }
            let document = try await berth.run(["project", "start", "notes", "-q", "-o", "json"])
            #expect(document.code == code)
            let error = try JSON.decode(JSONValue.self, from: document.errorOutput)
            #expect(error["schema"] == .string("error/1"))
            #expect(error["exitCode"] == .integer(Int64(code)))
            #expect(error["operation"] == .string(Self.id))
            let row = try JSON.decode(OperationDescription.self, from: document.output)
            #expect(row.state == state)
        }
    }

    @Test("Ctrl-C leaves at once with 130, says what keeps running, and cancels nothing")
    func interrupted() async throws {
        let pid = Locked<Int32?>(nil)
        let berth = try BerthProcess()
        let file = berth.home.path + "/pid"
        let routes: [String: CannedHub.Route] = [
            Self.start: Self.accepted, Self.events: Self.silence,
            Self.row: { _, _ in
                let text = String(decoding: try DurableFile.read(file), as: UTF8.self)
                let number = try #require(Int32(text.filter(\.isNumber)))
                pid.withLock { $0 = number }
                kill(number, SIGINT)
                try await Task.sleep(for: .seconds(600))
                throw CancellationError()
            },
        ]
        try await CannedHub.serving(routes) { hub in
            let login = try BerthProcess(loggedInTo: hub.address)
            let result = try await berth.shell(
                "echo $$ > \(file); exec $berth project start notes --config \(login.contextPath)")
            #expect(result.code == 130)
            #expect(
                result.errorText.contains(
                    "Detached. \(Self.id) keeps running. Stop it: berth operation cancel \(Self.id)"
                ))
            #expect(hub.requests("POST /v1/operations/\(Self.id)/cancel").isEmpty)
        }
        #expect(pid.withLock { $0 } != nil)
    }

    @Test("on a terminal one line changes, is wiped at the end, and finished phases stay")
    func terminal() async throws {
        let (shown, isShown) = AsyncStream<Void>.makeStream()
        let routes: [String: CannedHub.Route] = [
            Self.start: Self.accepted,
            Self.row: { _, _ in
                for await _ in shown { break }
                return try CannedHub.json(Samples.operation(.succeeded, kind: .start))
            },
            Self.events: { _, _ in
                CannedHub.events { writer in
                    for (index, phase) in ["restore", "launch"].enumerated() {
                        let progress = Samples.progress(
                            phase, index + 1, done: 1 << 20, total: 2 << 20, rate: 1_048_576,
                            at: Int64(index))
                        let event = SSEEvent(event: "progress", data: try JSON.text(progress))
                        try await writer.write(SSEEncoder.encode(event))
                        // Longer than the line's refresh, so that it is drawn.
                        try await Task.sleep(for: .milliseconds(700))
                    }
                    isShown.yield()
                }
            },
        ]
        try await CannedHub.serving(routes) { hub in
            let berth = try BerthProcess(loggedInTo: hub.address)
            let result = try await berth.onTerminal("project start notes")
            #expect(result.code == 0)
            let text = result.text
            #expect(text.contains("Ctrl-C detaches"))
            #expect(text.contains(" ▸ [1/6] restore  █████████░░░░░░░░░  50%  1.0 MiB/2.0 MiB"))
            #expect(text.contains(" ✔ restore  "))
            #expect(text.contains("[2/6] launch"))
            #expect(text.hasSuffix("\u{1B}[K✔ started \"notes\" in 38.2s\r\n"))
        }
    }

    @Test("several operations are waited for side by side; the worst end is the exit code")
    func several() async throws {
        let other = Samples.operationID(8).description
        let routes: [String: CannedHub.Route] = [
            Self.row: Self.ending(.succeeded, after: 2),
            "GET /v1/operations/\(other)": { _, count in
                try CannedHub.json(
                    Samples.operation(
                        count > 1 ? .failed : .running, number: 8,
                        failure: Failure(code: "x", message: "broke")))
            },
        ]
        try await CannedHub.serving(routes) { hub in
            let berth = try BerthProcess(loggedInTo: hub.address)
            let all = try await berth.run(["op", "wait", Self.id, other])
            #expect(all.code == 8)
            #expect(all.text.contains("\(Self.id) start of \"notes\": succeeded"))
            #expect(all.text.contains("\(other) move of \"notes\": failed"))
            #expect(all.errorText.contains("broke"))
        }
    }

    @Test("--any ends with the first one")
    func any() async throws {
        let other = Samples.operationID(8).description
        let routes: [String: CannedHub.Route] = [
            Self.row: Self.ending(.succeeded, after: 2),
            "GET /v1/operations/\(other)": { _, count in
                if count > 1 { try await Task.sleep(for: .seconds(600)) }
                return try CannedHub.json(Samples.operation(.running, number: 8))
            },
        ]
        try await CannedHub.serving(routes) { hub in
            let result = try await BerthProcess(loggedInTo: hub.address).run(
                ["op", "wait", "--any", Self.id, other, "-o", "id"])
            #expect(result.code == 0)
            #expect(result.text == Self.id + "\n")
        }
    }

    @Test(
        "a cancel is waited for until it is certain; one that came too late is refused",
        arguments: [(OperationState.canceled, 0), (.succeeded, 5), (.failed, 5)]
            as [(OperationState, Int32)])
    func cancel(state: OperationState, code: Int32) async throws {
        let routes: [String: CannedHub.Route] = [
            "POST /v1/operations/\(Self.id)/cancel": { _, _ in
                try CannedHub.json(Samples.operation(.running, kind: .start))
            },
            Self.row: Self.ending(state, after: 1), Self.events: Self.silence,
        ]
        try await CannedHub.serving(routes) { hub in
            let result = try await BerthProcess(loggedInTo: hub.address).run(
                ["op", "cancel", Self.id])
            #expect(result.code == code)
            #expect(result.text.contains(state.rawValue))
        }
    }
}
