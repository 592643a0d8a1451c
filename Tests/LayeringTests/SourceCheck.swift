/// Something in a source that the rules of the house forbid.
struct Violation: Sendable, CustomStringConvertible {
    let path: String
    let line: Int
    let rule: String

    var description: String { "\(path):\(line): \(rule)" }
}

/// Holds one source to the layering of DESIGN.md and to the rules of STYLE.md that a reader of
/// text can check.
struct SourceCheck {
    let table: ModuleTable

    static let fileLimit = 400
    static let functionLimit = 70

    private static let forbiddenNames = ["Utils", "Utilities", "Helpers", "Common", "Manager"]

    private static let forbiddenCode: [(text: String, reason: String)] = [
        ("try!", "handle the error"), ("as!", "test the type"), ("fatalError(", "throw"),
        ("Task {", "use structured concurrency"), ("Task.detached", "use structured concurrency"),
        ("Task(", "use structured concurrency"), ("Task<", "use structured concurrency"),
        ("Thread.sleep", "wait for an event"), ("DispatchSemaphore", "wait for an event"),
        ("usleep(", "wait for an event"),
    ]

    private static let forbiddenModules: [String: String] = [
        "Foundation": "import FoundationEssentials: Foundation is 50 MB of a static binary",
        "Synchronization": "use Platform.Locked: Mutex gives false ThreadSanitizer races",
    ]

    /// Every violation in a file, in no particular order.
    func violations(in file: SourceFile) -> [Violation] {
        var found = imports(file) + shape(file)
        if file.path.hasPrefix("Sources/") {
            found += code(file) + sql(file)
            found += UndocumentedDeclarations.lines(in: file).map {
                Violation(path: file.path, line: $0, rule: "public, without a doc comment")
            }
        }
        return found
    }

    private func imports(_ file: SourceFile) -> [Violation] {
        guard let allowed = table.allowed(file) else {
            return [Violation(path: file.path, line: 1, rule: "is in no module of Package.swift")]
        }
        var found: [Violation] = []
        for (number, line) in Self.lines(file.code) where Self.contains("import", in: line) {
            guard let match = try? Self.importLine.firstMatch(in: line) else { continue }
            let module = String(match.output.1)
            if let reason = Self.forbiddenModules[module] {
                found.append(Violation(path: file.path, line: number, rule: reason))
            } else if !allowed.contains(module) {
                found.append(
                    Violation(
                        path: file.path, line: number,
                        rule: "\(file.folder) may not import \(module) (Package.swift)"))
            }
        }
        return found
    }

    private func shape(_ file: SourceFile) -> [Violation] {
        var found: [Violation] = []
        if file.lineCount > Self.fileLimit {
            found.append(
                Violation(
                    path: file.path, line: Self.fileLimit,
                    rule: "has \(file.lineCount) lines, above \(Self.fileLimit)"))
        }
        if let word = Self.forbiddenNames.first(where: file.name.contains) {
            found.append(
                Violation(path: file.path, line: 1, rule: "\(word) says nothing: name the idea"))
        }
        for function in FunctionLengths.all(in: file.code) where function.lines > Self.functionLimit
        {
            found.append(
                Violation(
                    path: file.path, line: function.start,
                    rule: "a function of \(function.lines) lines, above \(Self.functionLimit)"))
        }
        return found
    }

    private func code(_ file: SourceFile) -> [Violation] {
        Self.lines(file.code).flatMap { number, line in
            var words = Self.forbiddenCode.filter { Self.contains($0.text, in: line) }
            // A number that is kept is used when its owner may have closed it.
            if line.contains("withNumber { $0 }") {
                words.append(("withNumber { $0 }", "make the call in the closure"))
            }
            return words.map { word in
                Violation(
                    path: file.path, line: number, rule: "`\(word.text)`: \(word.reason) instead")
            }
        }
    }

    /// SQL of the products lives in `Store/` and `Ledger/` only.
    private func sql(_ file: SourceFile) -> [Violation] {
        let home: String
        switch file.folder {
        case "Hub": home = "Sources/Hub/Store/"
        case "HostAgent": home = "Sources/HostAgent/Ledger/"
        default: return []
        }
        // The expression is slow; most files have none of the words.
        let words = ["INSERT", "UPDATE", "DELETE", "SELECT"]
        guard !file.path.hasPrefix(home),
            words.contains(where: { Self.contains($0, in: file.uncommented) })
        else { return [] }
        return file.uncommented.matches(of: Self.statement).map { match in
            let before = file.uncommented[..<match.range.lowerBound]
            return Violation(
                path: file.path, line: before.utf8.count { $0 == 10 } + 1,
                rule: "SQL belongs into \(home)")
        }
    }

    /// A word of code, not the end of a longer one: `Task(` is not in `addTask(`.
    static func contains(_ word: String, in line: String) -> Bool {
        let bytes = Array(line.utf8)
        let wanted = Array(word.utf8)
        guard bytes.count >= wanted.count else { return false }
        return (0...(bytes.count - wanted.count)).contains { start in
            guard bytes[start] == wanted[0], bytes[start...].starts(with: wanted) else {
                return false
            }
            guard start > 0 else { return true }
            let before = Character(UnicodeScalar(bytes[start - 1]))
            return !before.isLetter && !before.isNumber && before != "_" && before != "."
        }
    }

    private static func lines(_ text: String) -> [(number: Int, line: String)] {
        text.split(separator: "\n", omittingEmptySubsequences: false).enumerated()
            .map { ($0.offset + 1, String($0.element)) }
    }

    private static var importLine: Regex<(Substring, Substring)> {
        #/^\s*(?:@\w+\s+)*(?:(?:public|package|internal|private|fileprivate)\s+)?import\s+(?:(?:struct|class|enum|protocol|func|let|var|typealias)\s+)?(\w+)/#
    }

    private static var statement: Regex<(Substring, Substring?)> {
        #/INSERT\s+INTO\s|UPDATE\s+\S+(\s+AS\s+\w+)?\s+SET\s|DELETE\s+FROM\s|SELECT\s[^;]*?\sFROM\s/#

    }
}
