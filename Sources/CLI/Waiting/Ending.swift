import Shared

/// How an operation that was waited for ended, for people and for the exit code.
struct Ending: Sendable {
    /// What is written to standard output, with its newline.
    var text: String
    /// What `-o id` writes; the operation's id where nil.
    var id: String?
    /// What was left out: the command is then only partly done.
    var omissions: [String] = []

    init(_ text: String, id: String? = nil, omissions: [String] = []) {
        self.text = text + "\n"
        self.id = id
        self.omissions = omissions
    }

    /// `moved "thesis" to h2 in 38.2s`.
    static func took(_ what: String, _ operation: OperationDescription) -> Ending {
        Ending("✔ \(what)\(time(of: operation))", omissions: omissions(of: operation))
    }

    /// ` in 38.2s`, or nothing where it is not known.
    static func time(of operation: OperationDescription) -> String {
        guard let end = operation.finishedAt else { return "" }
        let took = end.milliseconds - operation.createdAt.milliseconds
        return " in \(Quantity.duration(milliseconds: took))"
    }

    /// The paths that a backup could not read.
    static func omissions(of operation: OperationDescription) -> [String] {
        guard case .array(let items)? = operation.result?["omissions"] else { return [] }
        return items.compactMap { $0.text.map(HarmlessText.text) }
    }

    /// What the process ends with, nil when the operation has succeeded.
    static func failure(of operation: OperationDescription) -> CommandFailure? {
        let what = title(of: operation)
        switch operation.state {
        case .succeeded: return nil
        case .failed:
            let failure = operation.failure
            return CommandFailure(
                .operationFailed, code: failure?.code ?? "failed",
                "\(what) failed: \(HarmlessText.text(failure?.message ?? "without a reason"))",
                hint: failure?.hint.map(HarmlessText.text)
                    ?? "berth operation show \(operation.id)",
                operation: operation.id)
        case .canceled:
            let isSure = operation.isCancelConfirmed != false
            return CommandFailure(
                .operationEnded, code: "canceled",
                "\(what) was canceled"
                    + (isSure ? "" : "; its worker has not confirmed that it stopped"),
                hint: isSure ? nil : "berth operation show \(operation.id)",
                operation: operation.id)
        case .expired:
            return CommandFailure(
                .operationEnded, code: "expired", "\(what) expired before it could be done",
                hint: "berth operation show \(operation.id)", operation: operation.id)
        case .queued, .running, .waiting:
            return CommandFailure(
                .otherFailure, code: "not-finished", "\(what) has not ended",
                hint: "berth operation watch \(operation.id)", operation: operation.id)
        }
    }

    /// `move of "thesis"`.
    static func title(of operation: OperationDescription) -> String {
        let name = operation.scopeName ?? operation.scope
        return "\(operation.kind.rawValue) of \"\(HarmlessText.text(name))\""
    }
}
