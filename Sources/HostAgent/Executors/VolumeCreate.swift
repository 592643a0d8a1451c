import Shared

/// `volume.create`: an empty volume for a project that no backup was ever made of.
struct VolumeCreate: Sendable {
    func run(_ input: VolumeInput, _ work: Work) async throws {
        let volume = input.volume
        try await work.host.gate.alone(volume.project) {
            let files = try work.host.storage.files()
            let path = work.layout.volume(volume.project)
            let record = try await work.ledger.volume(volume.project)
            let exists = try await files.exists(path)
            switch (exists, record?.isPresent ?? false) {
            case (true, true) where record?.generation == volume.generation:
                return
            case (true, true):
                throw Failure(
                    code: "volume-exists",
                    message: "project \(volume.project) has a volume of generation "
                        + "\(record?.generation ?? 0) here, and the order is of "
                        + "\(volume.generation)",
                    hint: "back it up and retire it first")
            case (true, false):
                // Made here by this order before a crash, or by somebody else: only an empty one
                // is taken over.
                guard try await files.isEmpty(path) else {
                    throw Failure(
                        code: "volume-unknown",
                        message: "\(path) exists, and this agent's ledger does not know it",
                        hint: "move it away by hand after looking at it")
                }
            case (false, true):
                throw Failure(
                    code: "volume-missing",
                    message: "the volume of project \(volume.project) is gone from \(path)",
                    hint: "somebody removed it; restore it from its last backup")
            case (false, false):
                try await files.create(path, uid: volume.uid, gid: volume.gid, mode: 0o700)
            }
            let subvolume = try await files.info(path).uuid
            try await work.ledger.volumeAppeared(volume, subvolume: subvolume, base: nil)
        }
    }
}
