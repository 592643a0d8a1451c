import Shared

/// `volume.retire`: moves a volume to the trash by the hub's order, which names its generation and
/// the backup that covers it, or says that the project is deleted (D4).
struct VolumeRetire: Sendable {
    func run(_ input: VolumeRetireInput, _ work: Work) async throws {
        let volume = input.volume
        if let refusal = VolumeRules.refusal(ofRetiring: input, nil) { throw refusal }
        try await work.host.gate.alone(volume.project) {
            let files = try work.host.storage.files()
            guard let record = try await work.ledger.volume(volume.project) else {
                try await StagingCleanup(host: work.host).removeStagedState(of: volume.project)
                await work.host.bases.remove(volume.project)
                return
            }
            if let refusal = VolumeRules.refusal(ofRetiring: input, record) { throw refusal }
            try await work.host.runtimes.stop(
                volume.project, uid: volume.uid, grace: .seconds(10))
            let path = work.layout.volume(volume.project)
            if try await files.exists(path) {
                let trash = try await files.freeTrashPath(
                    volume.project, generation: record.generation)
                try await files.moveAway(path, to: trash)
                try await files.setReadOnly(trash, true)
            }
            try await StagingCleanup(host: work.host).removeStagedState(of: volume.project)
            let base = work.layout.base(volume.project)
            if try await files.exists(base) { try await files.delete(base) }
            await work.host.bases.remove(volume.project)
            try await work.ledger.volumeDisappeared(volume.project)
        }
    }
}
