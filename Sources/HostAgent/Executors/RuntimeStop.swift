import Shared

/// `runtime.stop`: ends all processes of the project's user and confirms that none is left.
struct RuntimeStop: Sendable {
    func run(_ input: RuntimeInput, _ work: Work) async throws {
        let grace = min(3600, max(1, input.runtime.stopGraceSeconds))
        try await work.host.runtimes.stop(
            input.volume.project, uid: input.volume.uid, grace: .seconds(grace))
    }
}
