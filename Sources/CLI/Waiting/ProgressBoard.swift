import Platform
import Shared

/// Shows one operation's progress on the console, from what the row and the stream say.
actor ProgressBoard {
    private var view: ProgressView
    private var plain = PlainProgress()
    private let style: ProgressStyle
    private let console: Console
    private let now: @Sendable () -> Timestamp
    private let start = ContinuousClock.now
    private var isStreaming = false

    init(_ operation: OperationDescription, style: ProgressStyle, invocation: Invocation) {
        view = ProgressView(operation, at: .zero)
        self.style = style
        console = invocation.console
        now = { invocation.now() }
    }

    private var elapsed: Duration { ContinuousClock.now - start }

    /// Says what is being waited for.
    func begin() async {
        let operation = view.operation
        if style == .tty {
            await console.say(
                "\(operation.id) \(Ending.title(of: operation))  (Ctrl-C detaches; it keeps running)"
            )
        }
        await redraw()
    }

    /// Takes the row.
    func take(_ row: OperationDescription) async {
        await tell(view.update(row, at: elapsed))
        if !row.state.isTerminal { await redraw() }
    }

    /// Takes an event of the stream; one that cannot be read is passed over.
    func take(_ event: HubEvent) async {
        switch event.name {
        case "progress":
            // An event of a later version is no reason to stop showing the others.
            guard let progress = try? JSON.decode(Progress.self, from: event.data.utf8) else {
                return
            }
            await tell(view.update(progress, at: elapsed))
        case "state":
            // As above.
            guard let row = try? JSON.decode(OperationDescription.self, from: event.data.utf8)
            else { return }
            await tell(view.update(row, at: elapsed))
        default: return
        }
        if style == .plain { await redraw() }
    }

    /// Whether somebody looks and only the row brings news.
    var needsNews: Bool { style != .none && !isStreaming }

    /// The stream of progress is open, or it is lost.
    func setStreaming(_ isOpen: Bool) { isStreaming = isOpen }

    /// The hub does not answer.
    func lose() { view.lost(at: elapsed) }

    /// Keeps the line alive until cancellation.
    func tick() async {
        let interval: Duration = style == .tty ? .milliseconds(200) : .seconds(1)
        while !Task.isCancelled {
            await redraw()
            // Only cancellation ends the sleep early, and the loop sees it.
            try? await Task.sleep(for: interval)
        }
    }

    /// Leaves a clean line behind.
    func end() async {
        if style == .tty { await console.show(progress: nil) }
    }

    private func tell(_ phaseEnd: String?) async {
        if style == .tty, let phaseEnd { await console.say(phaseEnd) }
    }

    private func redraw() async {
        guard !view.operation.state.isTerminal else { return }
        switch style {
        case .none, .auto: return
        case .tty:
            let width = Terminal.columns(console.surface.errors) ?? console.surface.columns
            await console.show(progress: ProgressLine.text(view, width: width, at: elapsed))
        case .plain:
            if let line = plain.line(view, time: now(), at: elapsed) { await console.say(line) }
        }
    }
}
