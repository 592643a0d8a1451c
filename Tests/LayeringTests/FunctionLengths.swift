/// Finds functions and initialisers in code without comments and text literals, and counts their
/// lines from the declaration to the closing brace.
enum FunctionLengths {
    struct Function: Equatable {
        let start: Int
        let lines: Int
    }

    static func all(in code: String) -> [Function] {
        let lines = code.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        return lines.indices.compactMap { index in
            guard isDeclaration(lines[index]) else { return nil }
            return end(of: index, in: lines).map {
                Function(start: index + 1, lines: $0 - index + 1)
            }
        }
    }

    private static func isDeclaration(_ line: String) -> Bool {
        guard
            ["func", "init", "deinit", "subscript"].contains(where: {
                SourceCheck.contains($0, in: line)
            })
        else { return false }
        let words = line.split { !$0.isLetter && !$0.isNumber && $0 != "_" && $0 != "@" }
        let modifiers: Set<Substring> = [
            "public", "package", "internal", "fileprivate", "private", "static", "class", "final",
            "override", "mutating", "consuming", "borrowing", "nonisolated", "isolated",
            "convenience", "required", "unsafe", "safe", "async",
        ]
        let first = words.first { !modifiers.contains($0) && !$0.hasPrefix("@") }
        return first == "func" || first == "init" || first == "deinit" || first == "subscript"
    }

    /// The line of the closing brace; nil for a requirement, which has no body.
    private static func end(of start: Int, in lines: [String]) -> Int? {
        var parentheses = 0
        var braces = 0
        for index in start..<lines.count {
            for byte in lines[index].utf8 {
                switch byte {
                case UInt8(ascii: "("), UInt8(ascii: "["): parentheses += 1
                case UInt8(ascii: ")"), UInt8(ascii: "]"): parentheses -= 1
                case UInt8(ascii: "{"): braces += 1
                case UInt8(ascii: "}"):
                    braces -= 1
                    if braces < 0 { return nil }
                    if braces == 0, parentheses == 0 { return index }
                default: break
                }
            }
            let next = index + 1 < lines.count ? lines[index + 1].drop { $0 == " " } : ""
            let continues = ["{", "->", "throws", "async", "where", "rethrows", ")"]
                .contains { next.hasPrefix($0) }
            if braces == 0, parentheses == 0, !continues { return nil }
        }
        return nil
    }
}
