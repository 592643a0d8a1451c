import Shared
import Testing

@testable import CLI

@Suite("Exit codes")
struct ExitCodeTests {
    @Test("the documented numbers never change")
    func numbers() {
        #expect(
            ExitCode.meanings.map(\.code.rawValue)
                == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 130, 141])
    }

    @Test(
        "a refusal's status decides, unless its code says more",
        arguments: [
            (400, "bad-path", 2), (400, "ambiguous", 2), (409, "ambiguous", 2),
            (409, "confirmation-needed", 11),
            (401, "token", 6), (403, "role", 6), (404, "project-not-found", 4),
            (409, "guarded", 5), (412, "etag", 5), (422, "key", 5), (428, "if-match", 5),
            (429, "slow", 12), (500, "bug", 1), (503, "database", 7), (502, "", 7), (504, "", 7),
            (507, "full", 5), (418, "", 1),
        ] as [(Int, String, Int32)])
    func problems(status: Int, code: String, exit: Int32) {
        let failure = CommandFailure(
            Problem(status: status, code: code, title: "t", detail: "d", hint: "h"))
        #expect(failure.exitCode.rawValue == exit)
        #expect(failure.message == "d")
        #expect(failure.hint == "h")
    }

    @Test("every way that an operation can end has its code and says what to do")
    func operations() {
        #expect(Ending.failure(of: Samples.operation(.succeeded)) == nil)
        let failed = Ending.failure(
            of: Samples.operation(
                .failed,
                failure: Failure(code: "volume-missing", message: "no volume", hint: "restore it")))
        #expect(failed?.exitCode == .operationFailed)
        #expect(failed?.message == "move of \"notes\" failed: no volume")
        #expect(failed?.hint == "restore it")
        #expect(failed?.code == "volume-missing")
        let silent = Ending.failure(of: Samples.operation(.failed))
        #expect(silent?.hint == "berth operation show \(Samples.operationID())")
        #expect(Ending.failure(of: Samples.operation(.canceled))?.exitCode == .operationEnded)
        #expect(Ending.failure(of: Samples.operation(.expired))?.exitCode == .operationEnded)
        var unsure = Samples.operation(.canceled)
        unsure.isCancelConfirmed = false
        #expect(Ending.failure(of: unsure)?.message.contains("not confirmed") == true)
    }

    @Test(
        "a command's own code is passed on up to 125",
        arguments: [(0, 0), (1, 1), (125, 125), (126, 126), (127, 126), (137, 126), (-1, 126)]
            as [(Int32, Int32)])
    func commands(code: Int32, exit: Int32) {
        #expect(ExitCode.command(code).rawValue == exit)
    }

    @Test("a token file holds a bare secret, or says where the hub is")
    func tickets() throws {
        let token = JoinToken(
            hubs: ["https://h:1"], fingerprint: String(repeating: "ab", count: 32), secret: "s")
        let ticket = Ticket(try token.written())
        #expect(ticket.secret == "s")
        #expect(ticket.hubs == token.hubs)
        #expect(ticket.fingerprint == token.fingerprint)
        for bare in ["bare", "berth-admin-1.q83vEjRW", "berth-join-1.broken"] {
            #expect(Ticket(bare).secret == bare)
            #expect(Ticket(bare).hubs == nil)
        }
    }

    @Test(
        "hub addresses are checked, and plain HTTP goes only to this machine",
        arguments: [
            ("https://hub.example:7443", true), ("https://hub.example/", true),
            ("http://127.0.0.1:80", true), ("http://localhost:80", true), ("http://[::1]:80", true),
            ("http://hub.example", false), ("hub.example", false), ("https://", false),
            ("https://u:p@hub", false), ("https://hub/path", false), ("", false),
            ("http://localhost.evil.example", false), ("http://127.0.0.1.evil.example", false),
        ])
    func addresses(address: String, isGood: Bool) {
        #expect(((try? HubClient.checked([address])) != nil) == isGood)
    }
}
