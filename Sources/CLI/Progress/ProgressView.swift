import Shared

/// What is known of a running operation, and how it is shown.
///
/// Pure: every instant is handed in, as the time since some start.
struct ProgressView: Sendable {
    private(set) var operation: OperationDescription
    private(set) var progress: Progress?
    /// Since when the hub has not answered.
    private(set) var lostSince: Duration?
    /// When the progress last changed, and when the phase began.
    private var movedAt: Duration
    private var phaseAt: Duration

    /// Without movement for so long, an operation is shown as stalled.
    static let stallLimit = Duration.seconds(10)

    init(_ operation: OperationDescription, at now: Duration) {
        self.operation = operation
        progress = operation.progress
        movedAt = now
        phaseAt = now
    }

    /// Takes the row as the hub has it now.
    ///
    /// - Returns: a line about the phase that has just ended, where one has.
    mutating func update(_ operation: OperationDescription, at now: Duration) -> String? {
        if lostSince != nil || operation.state != self.operation.state
            || operation.phase != self.operation.phase
        {
            movedAt = now
        }
        lostSince = nil
        self.operation = operation
        return operation.progress.flatMap { advance($0, at: now) }
    }

    /// Takes one step of progress from the stream, which is newer than the row.
    ///
    /// Whatever makes progress is running; a step that is older than what is known changes nothing.
    ///
    /// - Returns: a line about the phase that has just ended, where one has.
    mutating func update(_ progress: Progress, at now: Duration) -> String? {
        let isNews =
            self.progress.map { progress.time > $0.time } ?? (progress.time >= operation.createdAt)
        if isNews, isParked {
            operation.state = .running
            operation.waiting = nil
        }
        return advance(progress, at: now)
    }

    private mutating func advance(_ progress: Progress, at now: Duration) -> String? {
        guard let before = self.progress else {
            self.progress = progress
            (movedAt, phaseAt) = (now, now)
            return nil
        }
        guard progress.time >= before.time, progress != before else { return nil }
        self.progress = progress
        if progress.phase != before.phase || progress.done != before.done
            || progress.message != before.message
        {
            movedAt = now
        }
        guard progress.phase != before.phase else { return nil }
        defer { phaseAt = now }
        return " ✔ \(HarmlessText.text(before.phase))  "
            + Quantity.duration(milliseconds: (now - phaseAt).milliseconds)
    }

    /// The hub does not answer; the operation goes on without us.
    mutating func lost(at now: Duration) {
        if lostSince == nil { lostSince = now }
    }

    /// What the operation does in a word: its phase, or its state.
    var phase: String {
        if isParked || operation.state.isTerminal { return operation.state.rawValue }
        return HarmlessText.text(progress?.phase ?? operation.phase ?? operation.state.rawValue)
    }

    /// Whether it is not being worked on, for a reason that a person should read.
    var isParked: Bool {
        switch operation.state {
        case .queued, .waiting: operation.waiting?.reason != .children
        case .running, .succeeded, .failed, .canceled, .expired: false
        }
    }

    /// Why it does not go on, or nil when it does.
    func obstacle(at now: Duration) -> String? {
        if let lostSince {
            let seconds = (now - lostSince).components.seconds
            return "the hub has not answered for \(Quantity.age(seconds: seconds)); it goes on"
        }
        if isParked {
            return "waiting: " + HarmlessText.text(operation.waiting?.sentence ?? "in the queue")
        }
        let still = now - movedAt
        // A group moves with its projects, which may take long.
        guard still >= Self.stallLimit, !operation.kind.isGroup else { return nil }
        return "stalled \(Quantity.age(seconds: still.components.seconds))"
    }
}

extension Duration {
    /// Whole milliseconds.
    var milliseconds: Int64 {
        components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000
    }
}
