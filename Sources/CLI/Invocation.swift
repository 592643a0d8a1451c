import Platform
import Shared

/// One run of a command: its words and flags, and everything it works with.
struct Invocation: Sendable {
    let table: CommandTable
    let operands: [Argument]
    /// The words after `--`.
    let commandWords: [Argument]
    let options: OptionValues
    let settings: Settings
    let console: Console
    let input: Input
    let inFlight: InFlight
    /// Made with the first request; one command has one set of connections.
    private let connected = Locked<HubClient?>(nil)

    init(
        table: CommandTable, line: ParsedCommandLine, settings: Settings, console: Console,
        input: Input, inFlight: InFlight
    ) {
        self.table = table
        operands = line.operands
        commandWords = line.command
        options = OptionValues(line.options)
        self.settings = settings
        self.console = console
        self.input = input
        self.inFlight = inFlight
    }

    /// Writes answers in the format that was asked for.
    var publisher: Publisher {
        Publisher(format: settings.format, hasHeader: settings.hasHeader, console: console)
    }

    /// The wall clock.
    func now() -> Timestamp { Timestamp(milliseconds: UTCTime.now().millisecondsSinceEpoch) }

    /// A key that lets the hub see a repeated request as the same one.
    func newKey() -> String {
        var random = Random()
        let words = (random.next(), random.next())
        return RequestID(milliseconds: now().milliseconds, random: words).description
    }

    /// The hub that was logged in to.
    func hub() throws(CommandFailure) -> HubClient {
        try connected.withLock { client throws(CommandFailure) -> HubClient in
            if let client { return client }
            var context = try Context.load(from: settings.contextPath)
            if let hub = settings.hub { context.hubs = [hub] }
            let made = try HubClient(context: context, invocation: self)
            client = made
            return made
        }
    }

    /// An operand as text, such as a project's name or id.
    func word(_ index: Int) throws(CommandFailure) -> String {
        guard let text = operands[index].text, !text.isEmpty else {
            throw .usage("\"\(operands[index].shown)\" is not a name or an id")
        }
        return text
    }

    /// The words after `--` as text.
    func command() throws(CommandFailure) -> [String] {
        var words: [String] = []
        for word in commandWords {
            guard let text = word.text else {
                throw .usage("\"\(word.shown)\" is not UTF-8, which a command must be")
            }
            words.append(text)
        }
        return words
    }

    /// The project that an operand names.
    func project(_ index: Int) async throws -> ProjectDescription {
        try await hub().send(.get(["projects", try word(index)]), as: ProjectDescription.self)
    }

    /// All items of a list up to `--limit`, page by page.
    func list<Item>(
        _ segments: [String], query: [APIRequest.Parameter] = [], of type: Item.Type
    ) async throws -> Page<Item> {
        let hub = try hub()
        var whole: Page<Item>?
        var cursor = settings.cursor
        repeat {
            let missing = settings.limit - (whole?.items.count ?? 0)
            let paging: [APIRequest.Parameter] = [
                .init("limit", String(min(missing, 1000))), .init("cursor", cursor),
            ]
            let request = APIRequest.get(segments, query: query + paging)
            let page = try await hub.send(request, as: Page<Item>.self)
            cursor = page.nextCursor
            let items = (whole?.items ?? []) + page.items
            whole = Page(schema: page.schema, items: items, nextCursor: cursor)
            if page.items.isEmpty { break }
        } while cursor != nil && (whole?.items.count ?? 0) < settings.limit
        return whole ?? Page(schema: "list/1", items: [], nextCursor: nil)
    }

    /// Sends a request that changes something.
    func change<Answer: Decodable & Sendable>(
        _ method: String, _ segments: [String], body: (any Encodable & Sendable)? = nil,
        as type: Answer.Type
    ) async throws -> Answer {
        let bytes = try body.map { try JSON.encode($0) }
        let request = APIRequest.change(method, segments, body: bytes, key: newKey())
        inFlight.begin()
        defer { inFlight.end() }
        return try await hub().send(request, as: type)
    }

    /// Sends a request that starts an operation, waits for it unless `--detach` says otherwise,
    /// and writes how it ended.
    ///
    /// - Parameter ending: what a person reads when it has succeeded.
    func perform(
        _ method: String, _ segments: [String], body: (any Encodable & Sendable)? = nil,
        ending: @Sendable (OperationDescription) -> Ending
    ) async throws -> ExitCode {
        let operation = try await change(
            method, segments, body: body, as: OperationDescription.self)
        return try await follow(operation, ending: ending)
    }

    /// Waits for an operation unless `--detach` says otherwise, and writes how it ended.
    func follow(
        _ operation: OperationDescription, ending: @Sendable (OperationDescription) -> Ending
    ) async throws -> ExitCode {
        if settings.isDetached {
            try await publisher.one(
                operation, schema: "operation/1", id: operation.id.description,
                text: operation.id.description + "\n")
            return .done
        }
        let end = try await OperationWaiter(invocation: self).wait(
            for: operation, timeout: settings.timeout)
        if let failure = Ending.failure(of: end) {
            if settings.format.isDocument {
                try await publisher.one(
                    end, schema: "operation/1", id: "", text: "")
            }
            throw failure
        }
        let told = ending(end)
        try await publisher.one(
            end, schema: "operation/1", id: told.id ?? end.id.description, text: told.text)
        for line in told.omissions { await console.complain("left out: \(line)") }
        return told.omissions.isEmpty ? .done : .partlyDone
    }
}
