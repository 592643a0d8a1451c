import Platform
import Shared

/// Trusts the hub by its fingerprint before the token is sent, exchanges the token for one that
/// lasts, and keeps that.
struct Login: Sendable {
    let invocation: Invocation

    func run() async throws -> ExitCode {
        let options = invocation.options
        guard let name = try options.text("name"), !name.isEmpty else {
            throw CommandFailure.usage("berth login needs --name", hint: "berth help login")
        }
        guard let file = try options.text("token-file") else {
            throw CommandFailure.usage("berth login needs --token-file", hint: "berth help login")
        }
        let ticket = Ticket(try await token(in: file))
        let given = invocation.settings.hub.map { [$0] }
        guard let hubs = given ?? ticket.hubs else {
            throw CommandFailure.usage(
                "the token does not say where the hub is",
                hint: "give --hub https://HOST:PORT, or the whole line that berth-hub init wrote")
        }
        let fingerprint = try options.text("fingerprint") ?? ticket.fingerprint
        var context = Context(hubs: hubs, name: name, token: "", authority: nil)
        if let fingerprint {
            context.authority = try await HubClient.authority(
                of: hubs, fingerprint: fingerprint)
        }
        let hub = try HubClient(context: context, invocation: invocation)
        var request = APIRequest.change(
            "POST", ["login"],
            body: try JSON.encode(LoginRequest(token: ticket.secret, name: name)),
            key: invocation.newKey())
        request.tries = 1
        let answer = try await hub.send(request, as: LoginAnswer.self)
        context.token = answer.token
        context.name = answer.name
        try context.save(to: invocation.settings.contextPath)
        try await publish(context)
        return .done
    }

    private func publish(_ context: Context) async throws {
        struct Body: Encodable {
            let hubs: [String]
            let name: String
        }
        try await invocation.publisher.one(
            Body(hubs: context.hubs, name: context.name), schema: "login/1", id: context.name,
            text: "logged in to \(context.hubs.joined(separator: ", ")) as "
                + "\(HarmlessText.text(context.name))\n")
    }

    private func token(in file: String) async throws -> String {
        let text: String?
        if file == "-" {
            text = try await invocation.input.line()
        } else {
            do {
                text = String(
                    decoding: try DurableFile.read(file, limitBytes: 65_536), as: UTF8.self)
            } catch {
                throw CommandFailure.usage(
                    "cannot read the token: \(error)", hint: "name the file with --token-file")
            }
        }
        let token = (text ?? "").split(whereSeparator: \.isWhitespace).first.map(String.init)
        guard let token else {
            throw CommandFailure.usage("\(file == "-" ? "standard input" : file) holds no token")
        }
        return token
    }
}

/// What a token file holds: a bare secret, or one with the hub's address and fingerprint.
struct Ticket: Sendable, Equatable {
    let secret: String
    let hubs: [String]?
    let fingerprint: String?

    /// Reads what `berth-hub init` wrote, a join token, or any other word as a bare secret.
    init(_ text: String) {
        let token = JoinToken(text)
        secret = token?.secret ?? text
        hubs = token?.hubs
        fingerprint = token?.fingerprint
    }
}
