import Shared

/// `runtime.stop`: ends all processes of the project's user and confirms that none is left.
struct RuntimeStop: Sendable {
    func run(_ input: RuntimeInput, _ work: Work) async throws -> RuntimeStopResult {
        let grace = min(3600, max(1, input.runtime.stopGraceSeconds))
        try await work.host.runtimes.stop(
            input.volume.project, uid: input.volume.uid, grace: .seconds(grace))
        return RuntimeStopResult(coveringBackup: try await covering(input.volume, work))
    }

    /// Which backup holds all of the volume, also what was written a moment ago: the view of a
    /// volume lags behind by what is only in memory (D3).
    private func covering(_ volume: VolumeReference, _ work: Work) async throws -> BackupID? {
        guard work.host.storage.trouble == nil,
            let record = try await work.ledger.volume(volume.project), record.isPresent
        else { return nil }
        try await work.host.storage.files().sync(work.layout.volume(volume.project))
        guard record.generation == volume.generation,
            let seen = try await work.host.observer.observation(of: record),
            seen.freshness == .fresh
        else { return nil }
        return seen.base
    }
}
