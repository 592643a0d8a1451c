/// Where a reader of progress messages is: behind one of them.
///
/// Messages follow each other by the transactions that wrote them: a number of their own is drawn
/// before it is committed, and one that was passed over could still appear.
struct ProgressPosition: Sendable, Hashable {
    /// The number of the transaction that wrote the message.
    var writer: Int64
    var sequence: Int64

    /// Before all messages.
    static let start = ProgressPosition(writer: 0, sequence: 0)

    init(writer: Int64, sequence: Int64) {
        self.writer = writer
        self.sequence = sequence
    }

    /// Reads what `text` wrote; nil for anything else.
    init?(_ text: String) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 2, let writer = Int64(parts[0]), let sequence = Int64(parts[1]),
            writer >= 0, sequence >= 0
        else { return nil }
        self.init(writer: writer, sequence: sequence)
    }

    /// The text that a stream names it by.
    var text: String { "\(writer).\(sequence)" }
}
