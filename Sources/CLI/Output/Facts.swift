/// One thing's properties, a line each, aligned.
struct Facts: Sendable {
    private var lines: [(name: String, value: String)] = []

    /// Adds a line; a value that is nil is left out.
    mutating func add(_ name: String, _ value: String?) {
        if let value { lines.append((name, value)) }
    }

    /// The lines, each with a newline.
    var text: String {
        let width = lines.map(\.name.count).max() ?? 0
        return lines.map { name, value in
            name + String(repeating: " ", count: width + 2 - name.count) + value + "\n"
        }.joined()
    }
}
