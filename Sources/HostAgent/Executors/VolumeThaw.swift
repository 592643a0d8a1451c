import Shared

/// `volume.thaw`: makes a volume writable again that was frozen for a move.
struct VolumeThaw: Sendable {
    func run(_ input: VolumeInput, _ work: Work) async throws {
        try await work.host.gate.alone(input.volume.project) {
            _ = try await work.record(of: input.volume)
            let files = try work.host.storage.files()
            try await files.setReadOnly(work.layout.volume(input.volume.project), false)
            try await work.ledger.setFrozen(input.volume.project, false)
        }
    }
}
