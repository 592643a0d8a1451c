/// Rows under headings, aligned; made for a terminal of a known width or for none.
struct Table: Sendable {
    /// A column's heading and how its cells lie.
    struct Column: Sendable {
        var heading: String
        var isRightAligned = false
        /// Columns with the highest number go first when the terminal is too narrow; 0 never goes.
        var droppedAt = 0
        /// Identifiers, of which the last 8 characters suffice where room is short.
        var isIdentifier = false

        static func text(_ heading: String, droppedAt: Int = 0) -> Column {
            Column(heading: heading, droppedAt: droppedAt)
        }

        static func number(_ heading: String, droppedAt: Int = 0) -> Column {
            Column(heading: heading, isRightAligned: true, droppedAt: droppedAt)
        }

        static func identifier(_ heading: String) -> Column {
            Column(heading: heading, isIdentifier: true)
        }
    }

    var columns: [Column]
    /// Cells whose text is harmless already; as many in each row as there are columns.
    var rows: [[String]] = []

    /// The lines, each with a newline.
    ///
    /// - Parameters:
    ///   - width: the terminal's columns; nil when nobody looks at them, so nothing is left out.
    ///   - hasHeader: whether the headings are shown.
    func text(width: Int?, hasHeader: Bool) -> String {
        var fitted = self
        if let width { fitted.fit(width) }
        let widths = fitted.widths
        var lines = fitted.rows
        if hasHeader { lines.insert(fitted.columns.map(\.heading), at: 0) }
        return lines.map { fitted.line($0, widths) + "\n" }.joined()
    }

    private var widths: [Int] {
        columns.indices.map { index in
            max(columns[index].heading.count, rows.map { $0[index].count }.max() ?? 0)
        }
    }

    private mutating func fit(_ width: Int) {
        func isTooWide() -> Bool { widths.reduce(0, +) + 2 * (columns.count - 1) > width }
        if isTooWide() {
            for index in columns.indices where columns[index].isIdentifier {
                for row in rows.indices { rows[row][index] = String(rows[row][index].suffix(8)) }
            }
        }
        while isTooWide() {
            let last = columns.indices.max { columns[$0].droppedAt < columns[$1].droppedAt }
            guard let last, columns[last].droppedAt > 0 else { return }
            columns.remove(at: last)
            for row in rows.indices { rows[row].remove(at: last) }
        }
    }

    private func line(_ cells: [String], _ widths: [Int]) -> String {
        var text = ""
        for index in cells.indices {
            let gap = String(repeating: " ", count: max(0, widths[index] - cells[index].count))
            let isLast = index == cells.count - 1
            text += columns[index].isRightAligned ? gap + cells[index] : cells[index]
            if !isLast { text += columns[index].isRightAligned ? "  " : gap + "  " }
        }
        return text
    }
}
