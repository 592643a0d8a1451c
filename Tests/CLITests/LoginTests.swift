import Glibc
import HTTP
import Platform
import Shared
import Testing

@testable import CLI

@Suite("berth login", .timeLimit(.minutes(2)))
struct LoginTests {
    private let authority: CertificateAuthority
    private let options: HTTPServerOptions

    init() throws {
        authority = try CertificateAuthority(named: "hub under test")
        var options = HTTPServerOptions()
        options.tls = try authority.issueServerIdentity(for: ["127.0.0.1"])
        self.options = options
    }

    private var routes: [String: CannedHub.Route] {
        let pem = authority.certificate.pem
        return [
            "GET /v1/ca.pem": { _, _ in HTTPResponse(status: 200, body: .bytes(pem)) },
            "POST /v1/login": { seen, count in
                let request = try JSON.decode(LoginRequest.self, from: seen.body)
                guard request.token == "first-secret", count == 1 else {
                    return try CannedHub.problem(401, "token-used", "the token was used already")
                }
                return try CannedHub.json(LoginAnswer(token: "lasting", name: request.name))
            },
            "GET /v1/status": { seen, _ in
                guard seen.head.headers["Authorization"] == "Bearer lasting" else {
                    return try CannedHub.problem(401, "token", "who are you?")
                }
                return try CannedHub.json(Samples.status(hosts: 3))
            },
        ]
    }

    private func ticket(_ hub: CannedHub, fingerprint: String? = nil) throws -> String {
        let token = JoinToken(
            hubs: [hub.address],
            fingerprint: fingerprint ?? authority.certificate.fingerprint.description,
            secret: "first-secret")
        return try token.written() + "\n"
    }

    @Test("the CA is pinned by its fingerprint, the token exchanged and kept for its owner alone")
    func login() async throws {
        try await CannedHub.serving(routes, options: options) { hub in
            let berth = try BerthProcess()
            let file = berth.home.path + "/token"
            try DurableFile.write(Array(try ticket(hub).utf8), to: file)
            let login = try await berth.run(["login", "--token-file", file, "--name", "anna"])
            #expect(login.code == 0, "\(login.errorText)")
            #expect(login.text == "logged in to \(hub.address) as anna\n")
            let mode = try await berth.shell("stat -c %a \(berth.contextPath)")
            #expect(mode.text == "600\n")
            let context = try Context.load(from: berth.contextPath)
            #expect(context.token == "lasting")
            #expect(context.authority == String(decoding: authority.certificate.pem, as: UTF8.self))
            #expect(try await berth.run(["status"]).code == 0)
            let again = try await berth.run(["login", "--token-file", file, "--name", "anna"])
            #expect(again.code == 6)
            #expect(again.errorText.contains("used already"))
            #expect(try await berth.run(["status"]).code == 0)
            #expect(try await berth.run(["logout"]).code == 0)
            #expect(try await berth.run(["status"]).code == 6)
        }
    }

    @Test("a bare token comes with an address and a fingerprint, and may be piped in")
    func bare() async throws {
        try await CannedHub.serving(routes, options: options) { hub in
            let berth = try BerthProcess()
            let fingerprint = authority.certificate.fingerprint.description.uppercased()
            let login = try await berth.run(
                [
                    "login", "--hub", hub.address, "--fingerprint", fingerprint, "--token-file",
                    "-", "--name", "ci", "-o", "json",
                ], input: "first-secret\n")
            #expect(login.code == 0, "\(login.errorText)")
            let document = try JSON.decode(JSONValue.self, from: login.output)
            #expect(document["name"] == .string("ci"))
            #expect(!login.text.contains("lasting"))
        }
    }

    @Test("another certificate than the pinned one is refused before any secret is sent")
    func wrongFingerprint() async throws {
        try await CannedHub.serving(routes, options: options) { hub in
            let berth = try BerthProcess()
            let wrong = try ticket(hub, fingerprint: String(repeating: "00", count: 32))
            let login = try await berth.run(
                ["login", "--token-file", "-", "--name", "anna"], input: wrong)
            #expect(login.code == 7)
            #expect(login.errorText.contains("fingerprint"))
            #expect(hub.requests("POST /v1/login").isEmpty)
            #expect(unsafe access(berth.contextPath, F_OK) != 0)
        }
    }

    @Test(
        "a hub whose certificate the pinned CA did not sign is refused, as is one nobody vouches for"
    )
    func otherAuthority() async throws {
        let other = try CertificateAuthority(named: "somebody else")
        try await CannedHub.serving(routes, options: options) { hub in
            let berth = try BerthProcess()
            for pem in [String(decoding: other.certificate.pem, as: UTF8.self), nil] {
                try Context(hubs: [hub.address], name: "a", token: "lasting", authority: pem)
                    .save(to: berth.contextPath)
                let result = try await berth.run(["status"])
                #expect(result.code == 7)
                #expect(result.errorText.contains("cannot be trusted"))
            }
            #expect(hub.requests("GET /v1/status").isEmpty)
        }
    }

    @Test(
        "what is missing or damaged is named",
        arguments: [
            (["login"], "", "--name"), (["login", "--name", "a"], "", "--token-file"),
            (["login", "--name", "a", "--token-file", "/nonexistent"], "", "/nonexistent"),
            (["login", "--name", "a", "--token-file", "-"], "", "no token"),
            (["login", "--name", "a", "--token-file", "-"], "bare\n", "--hub"),
            (["login", "--name", "a", "--token-file", "-"], "berth-join-1.xx\n", "whole line"),
            (
                ["login", "--name", "a", "--token-file", "-", "--hub", "http://far.example"],
                "bare\n", "not the address"
            ),
            (
                [
                    "login", "--name", "a", "--token-file", "-", "--hub", "https://127.0.0.1:1",
                    "--fingerprint", "xyz",
                ], "bare\n", "not a fingerprint"
            ),
        ] as [([String], String, String)])
    func mistakes(words: [String], input: String, said: String) async throws {
        let result = try await BerthProcess().run(words, input: input)
        #expect(result.code == 2)
        #expect(result.errorText.contains(said), "\(result.errorText)")
    }
}
