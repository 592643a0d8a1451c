import HTTP
import Shared

/// The parameters of `GET /v1/projects`, the host aside: `order`, `owner`, `prefix`, `search`,
/// `provisioned`, `running=true`, `freshness`, `backup=never`, `cursor` and `limit`.
extension ProjectQuery {
    /// - Throws: `Problem` 400 that names the parameter.
    init(of context: RequestContext) throws {
        let request = context.request
        limit = try context.limit()
        cursor = request.queryValue("cursor")
        owner = request.queryValue("owner")
        prefix = try Self.piece(of: request, "prefix")
        search = try Self.piece(of: request, "search")
        if let order = try Self.word(of: request, "order", Order.self) {
            self.order = order
        } else if prefix != nil || search != nil {
            order = .name
        }
        provisioned = try Self.word(of: request, "provisioned", Provisioned.self)
        freshness = try Self.word(of: request, "freshness", Freshness.self)
        isRunning = try Self.flag(of: request, "running", is: "true")
        isWithoutBackup = try Self.flag(of: request, "backup", is: "never")
    }

    /// A piece of a name: what names are made of, and nothing that a pattern gives a meaning.
    private static func piece(of request: HTTPRequest, _ name: String) throws -> String? {
        guard let text = request.queryValue(name) else { return nil }
        try check(piece: text, of: name)
        return text
    }

    /// - Throws: `Problem` 400 that names the parameter.
    static func check(piece text: String, of name: String) throws {
        let isPiece = text.utf8.allSatisfy { unit in
            (0x61...0x7A).contains(unit) || (0x30...0x39).contains(unit) || unit == 0x2D
        }
        guard isPiece, (1...63).contains(text.utf8.count) else {
            throw Problem.invalidParameter(name, "must be 1 to 63 of a-z, 0-9 and -")
        }
    }

    private static func word<Value: RawRepresentable & CaseIterable>(
        of request: HTTPRequest, _ name: String, _ type: Value.Type
    ) throws -> Value? where Value.RawValue == String {
        guard let text = request.queryValue(name) else { return nil }
        guard let value = Value(rawValue: text) else {
            throw Problem.invalidParameter(
                name, "must be one of " + Value.allCases.map(\.rawValue).joined(separator: ", "))
        }
        return value
    }

    private static func flag(of request: HTTPRequest, _ name: String, is word: String) throws
        -> Bool
    {
        guard let text = request.queryValue(name) else { return false }
        guard text == word else { throw Problem.invalidParameter(name, "must be \(word)") }
        return true
    }
}
