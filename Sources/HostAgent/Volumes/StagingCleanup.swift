import Platform
import Shared

/// Removes what operations have left in staging.
///
/// Nothing is removed that a journal still needs, and never a subvolume that the ledger knows as a
/// project's volume: between the two names of an exchange the old volume is in staging (D4).
struct StagingCleanup: Sendable {
    let host: Work.Host

    /// Removes what one operation that will not go on has left.
    ///
    /// A restored volume that has taken its place already is finished instead: what was there
    /// before must get into the trash.
    func remove(_ operation: OperationID, of project: ProjectID) async throws {
        let files = try host.storage.files()
        if case .publishing(let publication) = try await host.ledger.journal(operation) {
            try await finishIfPlaced(publication, operation)
        }
        for path in try await staged() where path.operation == operation {
            try await delete(path.path)
        }
        try await host.ledger.setJournal(operation, nil)
        try await host.ledger.forgetUploads(operation)
        let volume = host.storage.layout.volume(project)
        if try await files.exists(volume), try await !files.info(volume).isReadOnly {
            try await ApplyStaging(volume: volume, operation: operation, pool: host.pool).remove()
        }
    }

    /// Removes what a move left for a restore to build on.
    func removeStagedState(of project: ProjectID) async throws {
        guard let state = try await host.ledger.stagedState(of: project) else { return }
        try await host.ledger.removeStagedState(of: project)
        let path = host.storage.layout.stagedState(project, state.operation)
        let files = try host.storage.files()
        if try await files.uuid(path) == state.subvolume { try await files.delete(path) }
    }

    private func finishIfPlaced(
        _ publication: OperationJournal.Publication, _ operation: OperationID
    ) async throws {
        let place = host.storage.layout.volume(publication.volume.project)
        guard try await host.storage.files().uuid(place) == publication.subvolume else { return }
        try await VolumePublisher(host: host).publish(publication, of: operation)
        host.logger.info(
            "A restored volume is in its place.", ["operation": .init(describing: operation)])
    }

    /// Everything in the making, with the operation that makes it.
    private func staged() async throws -> [(path: String, operation: OperationID?)] {
        let files = try host.storage.files()
        let layout = host.storage.layout
        let staging = try await files.names(in: layout.staging).map {
            ("\(layout.staging)/\($0)", VolumeLayout.operation(ofStaging: $0))
        }
        let bases = try await files.names(in: layout.bases).compactMap { name in
            VolumeLayout.operation(ofStaging: name).map { ("\(layout.bases)/\(name)", $0) }
        }
        return staging + bases
    }

    private func delete(_ path: String) async throws {
        let files = try host.storage.files()
        if let uuid = try await files.uuid(path), try await host.ledger.isStagedState(uuid) {
            return
        }
        if let uuid = try await files.uuid(path), try await host.ledger.isVolume(uuid) {
            host.logger.error(
                "A project's volume is in staging and stays there.", ["path": .string(path)])
            return
        }
        try await files.delete(path)
        host.logger.info("A leftover was removed.", ["path": .string(path)])
    }

    /// Once the file system is certain, at start or later: finishes publications whose exchange had
    /// happened, freezes again what was not moved, and removes everything that no operation goes on
    /// from.
    ///
    /// Operations may be at work already: what belongs to one that has not ended stays.
    func recover() async throws {
        let files = try host.storage.files()
        for case (let operation, let project?) in try await host.ledger.openOperations() {
            try await host.gate.unlessHeld(project) {
                guard case .publishing(let publication) = try await host.ledger.journal(operation)
                else { return }
                try await finishIfPlaced(publication, operation)
            }
        }
        let staged = try await staged()
        let open = Set(try await host.ledger.openOperations().map(\.0))
        for (path, operation) in staged {
            if let operation, open.contains(operation) { continue }
            try await delete(path)
        }
        let records = try await host.ledger.volumes().filter(\.isPresent)
        let known = Set(records.map { $0.project.description })
        for name in try await files.names(in: host.storage.layout.projects)
        where !known.contains(name) {
            // Unknown means keep (D4).
            host.logger.error(
                "A volume that the ledger does not know is left alone; look at it.",
                ["path": .string("\(host.storage.layout.projects)/\(name)")])
        }
        for record in records {
            try await host.gate.unlessHeld(record.project) { try await recover(record.project) }
        }
    }

    private func recover(_ project: ProjectID) async throws {
        let files = try host.storage.files()
        let volume = host.storage.layout.volume(project)
        guard let record = try await host.ledger.volume(project),
            let there = try await files.uuid(volume)
        else { return }
        if record.isFrozen {
            // It was made writable to be moved out of the way, and was not moved.
            if there == record.subvolume { try await files.setReadOnly(volume, true) }
            return
        }
        guard try await !files.info(volume).isReadOnly else { return }
        let open = Set(try await host.ledger.openOperations().map(\.0))
        try await ApplyStaging.removeAll(in: volume, except: open, pool: host.pool)
    }
}
