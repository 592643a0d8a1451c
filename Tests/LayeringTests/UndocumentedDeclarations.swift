/// Finds public declarations without a doc comment.
///
/// Three kinds need none: initialisers, whose parameters are the documented properties where there
/// is nothing more to say; what a protocol demands, which the protocol describes; and the plain
/// properties of `Shared`, whose names are the JSON keys that the API's documentation explains.
enum UndocumentedDeclarations {
    private static let demanded: Set<Substring> = [
        "description", "debugDescription", "hash", "encode", "next", "makeAsyncIterator",
        "makeIterator", "Element", "AsyncIterator", "unownedExecutor",
        "appendLiteral", "id", "rawValue",
    ]

    private static let kinds: Set<Substring> = [
        "func", "var", "let", "struct", "enum", "class", "actor", "protocol", "typealias",
        "subscript", "case",
    ]

    /// The numbers of the lines, from 1.
    static func lines(in file: SourceFile) -> [Int] {
        let code = split(file.code)
        let text = split(file.text)
        var found: [Int] = []
        var conforming: Int?
        for (index, line) in code.enumerated() {
            let indent = line.utf8.prefix { $0 == 32 }.count
            if let outer = conforming, indent <= outer, line.hasPrefix(spaces(outer) + "}") {
                conforming = nil
            }
            guard
                SourceCheck.contains("public", in: line)
                    || SourceCheck.contains("extension", in: line)
            else { continue }
            let words = line.split { $0 == " " || $0 == "(" || $0 == ":" }
            if words.first == "extension", line.contains(":") { conforming = indent }
            guard words.contains("public"), conforming == nil,
                let kind = words.firstIndex(where: kinds.contains), words.count > kind + 1,
                !words[..<kind].contains("init"), words[kind + 1].first.map(isName) == true,
                !demanded.contains(words[kind + 1].prefix(while: isName))
            else { continue }
            if file.folder == "Shared", ["var", "let"].contains(words[kind]) { continue }
            if !isDocumented(index, text) { found.append(index + 1) }
        }
        return found
    }

    private static func isDocumented(_ index: Int, _ text: [String]) -> Bool {
        var above = index - 1
        while above >= 0 {
            let line = text[above].drop { $0 == " " }
            if line.hasPrefix("///") { return true }
            guard line.hasPrefix("@") || line.hasPrefix("//") else { return false }
            above -= 1
        }
        return false
    }

    /// Operators belong to protocols.
    private static func isName(_ character: Character) -> Bool {
        character.isLetter || character.isNumber || character == "_" || character == "`"
    }

    private static func split(_ text: String) -> [String] {
        text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    }

    private static func spaces(_ count: Int) -> String { String(repeating: " ", count: count) }
}
