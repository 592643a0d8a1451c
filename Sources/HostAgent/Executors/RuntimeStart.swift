import Shared

/// `runtime.start`: starts the project's process; one that runs already is left alone.
struct RuntimeStart: Sendable {
    func run(_ input: RuntimeInput, _ work: Work) async throws {
        let record = try await work.record(of: input.volume)
        guard !record.isFrozen else {
            throw Failure(
                code: "volume-frozen",
                message: "the volume of project \(input.volume.project) is read-only for a move",
                hint: "wait for the move, or cancel it")
        }
        guard !input.runtime.command.isEmpty else { return }
        try await work.host.runtimes.start(
            input.volume, input.runtime, home: work.layout.volume(input.volume.project))
    }
}
