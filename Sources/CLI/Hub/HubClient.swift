import HTTP
import Platform
import Shared

/// Speaks to the hub's HTTP API; the only place that knows HTTP.
struct HubClient: Sendable {
    /// The largest answer that is read.
    static let answerLimitBytes = 64 << 20

    private let client: HTTPClient
    private let hubs: [String]
    private let token: String
    private let console: Console
    private let isVerbose: Bool
    private let backoff = Backoff(base: .milliseconds(200), cap: .seconds(2))

    /// - Throws: `CommandFailure` when an address cannot be one, or the authority cannot be used.
    init(context: Context, invocation: Invocation) throws(CommandFailure) {
        hubs = try Self.checked(context.hubs)
        token = context.token
        console = invocation.console
        isVerbose = invocation.settings.isVerbose
        var options = HTTPClientOptions()
        if let authority = context.authority {
            options.trust = .authorities(pem: Array(authority.utf8))
        }
        options.userAgent = "berth/\(LocalCommands.versionNumber)"
        do {
            client = try HTTPClient(options: options)
        } catch {
            throw CommandFailure(.otherFailure, code: "http", "cannot make requests: \(error)")
        }
    }

    /// Sends a request until the hub answers or the tries are used up, and reads its answer.
    ///
    /// - Throws: `CommandFailure`: the hub's refusal, or why there is no answer.
    func send<Answer: Decodable & Sendable>(
        _ request: APIRequest, as type: Answer.Type
    ) async throws -> Answer {
        var attempt = 1
        var random = Random()
        while true {
            let hub = hubs[(attempt - 1) % hubs.count]
            do {
                return try await exchange(request, hub, as: type)
            } catch let failure as CommandFailure {
                // The try before may still be worked on although its connection broke.
                let isPassing =
                    failure.exitCode == .unreachable && failure.code != "tls"
                    || failure.code == "request-in-flight"
                guard isPassing, attempt < request.tries else { throw failure }
                try await Task.sleep(for: backoff.delay(afterAttempt: attempt, using: &random))
                attempt += 1
            }
        }
    }

    /// Opens a stream of events; it ends when the hub ends it, and fails when the hub is lost.
    ///
    /// - Parameter last: the id of the last event that was seen.
    func events(
        _ segments: [String], query: [APIRequest.Parameter] = [], after last: String?
    ) async throws -> some AsyncSequence<HubEvent, any Error> {
        let request = APIRequest.get(segments, query: query)
        var message = message(request, hubs[0])
        message.deadline = nil
        // The hub sends a comment every 15 s where there is nothing else.
        message.stallTimeout = .seconds(60)
        message.headers["Accept"] = "text/event-stream"
        message.headers["Last-Event-ID"] = last
        do {
            let response = try await client.send(message)
            guard response.status == 200 else { throw try await refusal(response) }
            return SSEStream(response.body).map { event in
                HubEvent(name: event.event, data: event.data, id: event.id)
            }
        } catch {
            throw Self.translated(error, hubs)
        }
    }

    /// Fetches the hub's own CA certificate and accepts exactly the one with this fingerprint;
    /// nothing secret is sent.
    ///
    /// - Parameter fingerprint: SHA-256 in 64 hexadecimal digits, with or without colons.
    /// - Returns: the certificate in PEM.
    static func authority(of hubs: [String], fingerprint: String) async throws -> String {
        guard let pinned = Fingerprint(hex: fingerprint) else {
            throw CommandFailure.usage(
                "\"\(HarmlessText.text(fingerprint))\" is not a fingerprint",
                hint: "it is the SHA-256 of the hub's CA certificate: 64 hexadecimal digits")
        }
        var failure = CommandFailure.usage("there is no address of a hub")
        for hub in try checked(hubs) {
            do {
                let certificate = try await HTTPClient.fetchAuthority(
                    from: hub + "/v1/ca.pem", fingerprint: pinned)
                return String(decoding: certificate.pem, as: UTF8.self)
            } catch let error as HTTPError {
                failure = Self.failure(error, [hub])
            }
        }
        throw failure
    }

    private func exchange<Answer: Decodable>(
        _ request: APIRequest, _ hub: String, as type: Answer.Type
    ) async throws -> Answer {
        if isVerbose { await console.say("\(request.method) \(hub)\(request.target)") }
        let bytes: [UInt8]
        do {
            let response = try await client.send(message(request, hub))
            if isVerbose { await console.say("\(response.status)") }
            guard (200...299).contains(response.status) else { throw try await refusal(response) }
            bytes = try await response.body.collect(limitBytes: Self.answerLimitBytes)
        } catch {
            throw Self.translated(error, [hub])
        }
        do {
            return try JSON.decode(type, from: bytes)
        } catch {
            throw CommandFailure(
                .otherFailure, code: "unexpected-answer",
                "the answer of \(hub) to \(request.method) \(request.target) is not of the form "
                    + "that this version knows: \(Self.reason(error))",
                hint: "compare berth version with the hub's")
        }
    }

    private func message(_ request: APIRequest, _ hub: String) -> HTTPClientRequest {
        var headers: HTTPHeaders = ["Accept": "application/json"]
        if !token.isEmpty { headers["Authorization"] = "Bearer \(token)" }
        headers["Idempotency-Key"] = request.idempotencyKey
        if request.body != nil { headers["Content-Type"] = "application/json" }
        return HTTPClientRequest(
            method: request.method, url: hub + request.target, headers: headers,
            body: .bytes(request.body ?? []), deadline: request.deadline,
            stallTimeout: request.deadline)
    }

    /// What the hub says against the request.
    private func refusal(_ response: HTTPClientResponse) async throws -> CommandFailure {
        let bytes = try await response.body.collect(limitBytes: 1 << 20)
        // An answer of a proxy, or of something that is no hub, is no problem document.
        if let problem = try? JSON.decode(Problem.self, from: bytes) {
            var failure = CommandFailure(problem)
            failure.status = response.status
            return failure
        }
        var failure = CommandFailure(
            CommandFailure.exitCode(status: response.status, code: ""), code: "http",
            "the hub answered \(response.status)", hint: "is this the hub's address?")
        failure.status = response.status
        return failure
    }

    /// The one form of decoding errors that says where.
    private static func reason(_ error: any Error) -> String {
        guard let error = error as? DecodingError else { return "\(error)" }
        switch error {
        case .keyNotFound(let key, _): return "\(key.stringValue) is missing"
        case .typeMismatch(_, let context), .valueNotFound(_, let context),
            .dataCorrupted(let context):
            let path = context.codingPath.map(\.stringValue).joined(separator: ".")
            return path.isEmpty ? context.debugDescription : "\(path): \(context.debugDescription)"
        @unknown default: return "\(error)"
        }
    }

    /// Addresses with a scheme, a host and nothing after it; plain HTTP only to this machine.
    static func checked(_ hubs: [String]) throws(CommandFailure) -> [String] {
        var checked: [String] = []
        for hub in hubs {
            let address = hub.hasSuffix("/") ? String(hub.dropLast()) : hub
            let host = address.drop { $0 != "/" }.dropFirst(2)
            let isLocal = ["127.0.0.1", "localhost", "[::1]"].contains {
                host == $0 || host.hasPrefix($0 + ":")
            }
            let isKnown = address.hasPrefix("https://") || address.hasPrefix("http://") && isLocal
            guard isKnown, !host.isEmpty, !host.contains("/"), !host.contains("@") else {
                throw .usage(
                    "\"\(HarmlessText.text(hub))\" is not the address of a hub",
                    hint: "it is like https://hub.example:7443")
            }
            checked.append(address)
        }
        return checked
    }

    /// Errors of HTTP in this module's words; others, cancellation among them, as they are.
    private static func translated(_ error: any Error, _ hubs: [String]) -> any Error {
        guard let error = error as? HTTPError else { return error }
        return failure(error, hubs)
    }

    private static func failure(_ error: HTTPError, _ hubs: [String]) -> CommandFailure {
        let address = hubs.joined(separator: ", ")
        switch error.code {
        case .tls, .certificate, .fingerprintMismatch:
            return CommandFailure(
                .unreachable, code: "tls", "\(address) cannot be trusted: \(error.message)",
                hint: "if the hub has a new CA, log in again with its fingerprint")
        case .couldNotConnect, .addressRefused, .timeout, .connectionReset, .overloaded, .closed:
            return CommandFailure(
                .unreachable, code: "unreachable", "cannot reach the hub: \(error.message)",
                hint: "is it running, and is \(address) its address? berth login changes it")
        case .tooLarge, .protocolViolation, .invalidMessage, .badRequest, .couldNotListen:
            return CommandFailure(
                .otherFailure, code: "http", "\(address): \(error.message)",
                hint: "is this the hub's address?")
        }
    }
}
