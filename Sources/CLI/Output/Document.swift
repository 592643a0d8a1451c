import FoundationEssentials
import Shared

/// JSON documents with their `schema`; within a version members are only ever added.
enum Document {
    /// One thing as an indented document.
    static func pretty(_ value: some Encodable, schema: String) throws -> String {
        try text(try JSON.value(value), schema: schema, isPretty: true)
    }

    /// One thing on one line.
    static func line(_ value: some Encodable, schema: String) throws -> String {
        try text(try JSON.value(value), schema: schema, isPretty: false)
    }

    /// An error for programs.
    static func error(_ failure: CommandFailure) throws -> String {
        struct Body: Encodable {
            let code: String
            let message: String
            let hint: String?
            let candidates: [String]?
            let operation: OperationID?
            let status: Int?
            let exitCode: Int32
        }
        let body = Body(
            code: failure.code, message: failure.message, hint: failure.hint,
            candidates: failure.candidates.isEmpty ? nil : failure.candidates,
            operation: failure.operation, status: failure.status,
            exitCode: failure.exitCode.rawValue)
        return try line(body, schema: "error/1")
    }

    private static func text(_ value: JSONValue, schema: String, isPretty: Bool) throws -> String {
        var document = value
        if case .object(var members) = value {
            members["schema"] = .string(schema)
            document = .object(members)
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        if isPretty { encoder.outputFormatting.insert(.prettyPrinted) }
        return String(decoding: try encoder.encode(document), as: UTF8.self) + "\n"
    }
}
