import Shared

/// What a claimed workflow hears next: pure, so that every order of events is tested without a
/// database.
struct WorkflowAgenda: Sendable {
    private var hasBegun: Bool
    private var heardCancel = false
    private var isAwake = true

    /// - Parameter hasBegun: whether it was worked on before.
    init(hasBegun: Bool) {
        self.hasBegun = hasBegun
    }

    /// The next event; nil when there is none and it parks.
    ///
    /// A cancel comes before the ends of children: whoever was told that the cancel is accepted must
    /// not find that the point of no return was passed afterwards (D14).
    /// - Parameters:
    ///   - awaited: the children whose end it wants to hear of.
    ///   - children: all its children, in their order.
    ///   - isCancelDue: whether somebody asked it to stop, and it can be and has not been told.
    mutating func next(
        awaited: Set<String>, children: [WorkflowChild], isCancelDue: Bool
    ) -> WorkflowEvent? {
        if !hasBegun {
            hasBegun = true
            return .began
        }
        if isCancelDue, !heardCancel {
            heardCancel = true
            return .cancelRequested
        }
        for child in children where awaited.contains(child.key) {
            if let outcome = child.outcome { return .childEnded(child.key, outcome) }
        }
        return isAwake ? .woken : nil
    }

    /// Takes note of what an event brought.
    ///
    /// - Parameters:
    ///   - hasActed: whether there were actions.
    ///   - waits: whether one of them was to wait.
    mutating func heard(_ event: WorkflowEvent, hasActed: Bool, waits: Bool) {
        isAwake = if case .woken = event { hasActed && !waits } else { true }
    }
}
