/// Blanks out comments and text literals of a Swift source; line feeds stay where they are.
struct SourceScanner {
    private let bytes: [UInt8]
    private var position = 0
    private var uncommented: [UInt8] = []
    private var code: [UInt8] = []

    init(_ text: String) {
        bytes = Array(text.utf8)
    }

    mutating func views() -> (uncommented: String, code: String) {
        while position < bytes.count {
            if starts("//") {
                while position < bytes.count, bytes[position] != 10 { skip() }
            } else if starts("/*") {
                blockComment()
            } else if let hashes = literalStart() {
                literal(hashes: hashes)
            } else {
                keep()
            }
        }
        return (
            String(decoding: uncommented, as: UTF8.self), String(decoding: code, as: UTF8.self)
        )
    }

    private mutating func blockComment() {
        var depth = 0
        repeat {
            if starts("/*") {
                depth += 1
                skip()
            } else if starts("*/") {
                depth -= 1
                skip()
            }
            skip()
        } while depth > 0 && position < bytes.count
    }

    /// How many `#` stand before the quote that begins here, or nil when none begins.
    private func literalStart() -> Int? {
        var end = position
        while end < bytes.count, bytes[end] == UInt8(ascii: "#") { end += 1 }
        guard end < bytes.count, bytes[end] == UInt8(ascii: "\"") else { return nil }
        return end - position
    }

    private mutating func literal(hashes: Int) {
        let marks = String(repeating: "#", count: hashes)
        for _ in 0..<hashes { keepText() }
        let quote = starts("\"\"\"") ? "\"\"\"" : "\""
        for _ in 0..<quote.utf8.count { keepText() }
        while position < bytes.count, !starts(quote + marks) {
            if starts("\\" + marks + "(") {
                for _ in 0..<(2 + hashes) { keepText() }
                interpolation()
            } else {
                if starts("\\" + marks) { for _ in 0...hashes { keepText() } }
                if position < bytes.count { keepText() }
            }
        }
        for _ in 0..<(quote.utf8.count + hashes) where position < bytes.count { keepText() }
    }

    /// The rest of an interpolation, whose opening parenthesis is behind.
    private mutating func interpolation() {
        var depth = 1
        while position < bytes.count, depth > 0 {
            if let hashes = literalStart() {
                literal(hashes: hashes)
                continue
            }
            if bytes[position] == UInt8(ascii: "(") { depth += 1 }
            if bytes[position] == UInt8(ascii: ")") { depth -= 1 }
            keepText()
        }
    }

    private func starts(_ text: String) -> Bool {
        bytes[position] == text.utf8.first && bytes[position...].starts(with: text.utf8)
    }

    private mutating func keep() {
        uncommented.append(bytes[position])
        code.append(bytes[position])
        position += 1
    }

    private mutating func keepText() {
        uncommented.append(bytes[position])
        code.append(bytes[position] == 10 ? 10 : 32)
        position += 1
    }

    private mutating func skip() {
        guard position < bytes.count else { return }
        let byte: UInt8 = bytes[position] == 10 ? 10 : 32
        uncommented.append(byte)
        code.append(byte)
        position += 1
    }
}
