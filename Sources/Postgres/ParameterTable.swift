/// A statement's parameter values as libpq takes them, all in one piece of memory.
struct ParameterTable {
    private var bytes: [CChar] = []
    private var offsets: [Int?] = []
    private var lengths: [Int32] = []
    private var formats: [Int32] = []

    /// The most parameters that the protocol can carry.
    static let limit = 65_535

    /// - Throws: `PostgresError` `.invalidParameter` for NUL bytes in text, too many or too large
    ///   values.
    init(_ parameters: [PostgresQuery.Parameter]) throws {
        guard parameters.count <= ParameterTable.limit else {
            throw PostgresError(
                code: .invalidParameter,
                message: "\(parameters.count) parameters, more than \(ParameterTable.limit)")
        }
        for (index, parameter) in parameters.enumerated() {
            switch parameter.value {
            case .null: append(nil, format: 0)
            case .binary(let value): append(value.map { CChar(bitPattern: $0) }, format: 1)
            case .text(let text):
                let value = text.utf8.map { CChar(bitPattern: $0) }
                guard !value.contains(0) else {
                    throw PostgresError(
                        code: .invalidParameter,
                        message: "parameter $\(index + 1) holds a NUL byte, which PostgreSQL "
                            + "text cannot; use [UInt8] with bytea")
                }
                append(value, format: 0)
            }
        }
        guard bytes.count <= 1 << 30 else {
            throw PostgresError(
                code: .invalidParameter, message: "parameters of more than 1 GiB together")
        }
    }

    var count: Int { offsets.count }

    private mutating func append(_ value: [CChar]?, format: Int32) {
        offsets.append(value == nil ? nil : bytes.count)
        lengths.append(Int32(clamping: value?.count ?? 0))
        formats.append(format)
        guard let value else { return }
        bytes.append(contentsOf: value)
        bytes.append(0)
    }

    /// Runs `body` with values, lengths and formats, which must not escape it.
    @unsafe func withPointers<Answer>(
        _ body: ([UnsafePointer<CChar>?], [Int32], [Int32]) throws -> Answer
    ) rethrows -> Answer {
        try unsafe bytes.withUnsafeBufferPointer { buffer in
            let values: [UnsafePointer<CChar>?] = unsafe offsets.map { offset in
                guard let offset, let base = buffer.baseAddress else { return nil }
                return unsafe base + offset
            }
            return try unsafe body(values, lengths, formats)
        }
    }
}
