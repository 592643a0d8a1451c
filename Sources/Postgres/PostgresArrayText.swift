/// The text form of one-dimensional arrays (PostgreSQL 15, 8.15.6 Array Input and Output Syntax).
enum PostgresArrayText {
    /// Writes `{"a","b",NULL}`; every element is quoted, so that no content needs a special case.
    static func encode(_ items: [String?]) -> String {
        var bytes: [UInt8] = [UInt8(ascii: "{")]
        for (index, item) in items.enumerated() {
            if index > 0 { bytes.append(UInt8(ascii: ",")) }
            guard let item else {
                bytes.append(contentsOf: "NULL".utf8)
                continue
            }
            bytes.append(UInt8(ascii: "\""))
            for byte in item.utf8 {
                if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") {
                    bytes.append(UInt8(ascii: "\\"))
                }
                bytes.append(byte)
            }
            bytes.append(UInt8(ascii: "\""))
        }
        bytes.append(UInt8(ascii: "}"))
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Reads it back; an unquoted `NULL` is nil, a quoted one is text.
    ///
    /// - Returns: nil when the text is not a one-dimensional array with lower bound 1.
    static func decode(_ text: ArraySlice<UInt8>) -> [String?]? {
        var rest = text
        guard rest.popFirst() == UInt8(ascii: "{"), rest.popLast() == UInt8(ascii: "}") else {
            return nil
        }
        var items: [String?] = []
        if rest.isEmpty { return items }
        while true {
            guard let item = element(&rest) else { return nil }
            items.append(item)
            guard let separator = rest.popFirst() else { return items }
            guard separator == UInt8(ascii: ",") else { return nil }
        }
    }

    /// One element up to the comma or the end; the outer nil is malformed text.
    private static func element(_ rest: inout ArraySlice<UInt8>) -> String?? {
        var bytes: [UInt8] = []
        guard rest.first == UInt8(ascii: "\"") else {
            while let byte = rest.first, byte != UInt8(ascii: ",") {
                guard byte != UInt8(ascii: "{") else { return nil }
                bytes.append(byte)
                rest.removeFirst()
            }
            if bytes.isEmpty { return nil }
            let text = String(decoding: bytes, as: UTF8.self)
            return .some(text == "NULL" ? nil : text)
        }
        rest.removeFirst()
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "\"") {
                return .some(String(decoding: bytes, as: UTF8.self))
            }
            if byte == UInt8(ascii: "\\") {
                guard let escaped = rest.popFirst() else { return nil }
                bytes.append(escaped)
            } else {
                bytes.append(byte)
            }
        }
        return nil
    }

    /// The element, which must not be NULL.
    static func present(_ item: String?, in cell: PostgresCell) throws -> String {
        guard let item else { throw cell.failure("an array without NULL elements") }
        return item
    }

    /// The element as a number.
    static func number<Number: LosslessStringConvertible>(
        _ item: String?, in cell: PostgresCell
    ) throws -> Number {
        guard let number = Number(try present(item, in: cell)) else {
            throw cell.failure("an array of \(Number.self)")
        }
        return number
    }
}
