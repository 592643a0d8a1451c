import Shared

/// What a workflow hears.
enum WorkflowEvent: Sendable {
    /// It is claimed for the first time.
    case began
    /// A child that it awaits has ended.
    case childEnded(String, ChildOutcome)
    /// Its time has come, or something that it waits for may have changed.
    case woken
    /// Somebody asked it to stop; told until `isCanceling` says that it has heard.
    case cancelRequested
}

/// How a child ended.
enum ChildOutcome: Sendable, Hashable {
    case succeeded(JSONValue)
    case failed(Failure)
    case canceled
    case expired

    /// Why the work was not done; nil when it was.
    var failure: Failure? {
        switch self {
        case .succeeded: nil
        case .failed(let failure): failure
        case .canceled:
            Failure(code: "child-canceled", message: "a part of the work was canceled")
        case .expired: Failure(code: "child-expired", message: "a part of the work expired")
        }
    }

    /// The result, when it has this form.
    func result<Document: Decodable>(_ type: Document.Type) -> Document? {
        guard case .succeeded(let value) = self else { return nil }
        return try? JSON.decode(type, from: value)  // nil is a result of another form
    }

    /// That a child said that it is done, but not what it did.
    static let badResult = Failure(
        code: "bad-result", message: "the host's agent answered with a document of another form",
        hint: "update the agent to the hub's version")
}

/// A child as the runner finds it.
struct WorkflowChild: Sendable {
    var id: OperationID
    var key: String
    var lane: String
    /// Nil while it lives.
    var outcome: ChildOutcome?
}
