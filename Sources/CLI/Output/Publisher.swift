import Shared

/// Writes a command's answer in the format that was asked for.
struct Publisher: Sendable {
    let format: OutputFormat
    let hasHeader: Bool
    let console: Console

    /// One thing.
    ///
    /// - Parameters:
    ///   - schema: the document's form, such as `project/1`.
    ///   - id: what `-o id` writes.
    ///   - text: what people read, with its newlines.
    func one(
        _ value: some Encodable & Sendable, schema: String, id: String, text: String
    ) async throws {
        switch format {
        case .table: try await console.write(text)
        case .json: try await console.write(try Document.pretty(value, schema: schema))
        case .jsonl: try await console.write(try Document.line(value, schema: schema))
        case .id: try await console.write(id + "\n")
        }
    }

    /// A list.
    ///
    /// - Parameters:
    ///   - item: the form of one item, such as `project/1`, for `jsonl`.
    ///   - none: what a person is told about an empty list.
    ///   - id: what `-o id` writes for an item.
    ///   - table: the list for people.
    func list<Item>(
        _ page: Page<Item>, item: String, none: String, id: @Sendable (Item) -> String,
        table: @Sendable ([Item]) -> Table
    ) async throws {
        switch format {
        case .table:
            if page.items.isEmpty {
                await console.say(none)
                return
            }
            let surface = console.surface
            let width = surface.isOutputTerminal ? surface.columns : nil
            try await console.write(table(page.items).text(width: width, hasHeader: hasHeader))
            if page.nextCursor != nil {
                let count = page.items.count
                await console.say(
                    "the first \(count); for more: --limit \(count * 10)")
            }
        case .json: try await console.write(try Document.pretty(page, schema: page.schema))
        case .jsonl:
            for value in page.items {
                try await console.write(try Document.line(value, schema: item))
            }
        case .id:
            try await console.write(page.items.map { id($0) + "\n" }.joined())
        }
    }
}
