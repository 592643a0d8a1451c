/// A Swift source, and two views of it that keep its lines.
struct SourceFile: Sendable {
    /// Relative to the package, such as `Sources/Hub/Store/Projects.swift`.
    let path: String
    let text: String
    /// Without comments; text literals are kept, since SQL lives in them.
    let uncommented: String
    /// Without comments and without what is inside text literals.
    let code: String

    init(path: String, text: String) {
        self.path = path
        self.text = text
        var scanner = SourceScanner(text)
        (uncommented, code) = scanner.views()
    }

    /// The folder below `Sources` or `Tests`: the module, or `Executables`.
    var folder: String {
        let parts = path.split(separator: "/")
        return parts.count > 1 ? String(parts[1]) : ""
    }

    /// The file's name without `.swift`.
    var name: String {
        let last = path.split(separator: "/").last.map(String.init) ?? ""
        return last.hasSuffix(".swift") ? String(last.dropLast(6)) : last
    }

    var lineCount: Int {
        text.utf8.count { $0 == 10 } + (text.utf8.last == 10 ? 0 : 1)
    }
}
