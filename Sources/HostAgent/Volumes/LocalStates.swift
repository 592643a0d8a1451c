import Shared

/// A read-only snapshot of this host that holds what a backup says.
struct LocalState: Sendable, Equatable {
    let origin: RestoreOrigin
    let path: String
    let backup: BackupReference
}

/// The states of a project that a restore may build on, and why others may not be.
///
/// Whatever is not as the ledger has it is left aside: a state that is built on wrongly would be
/// found out at the end, but only after the work.
struct LocalStates: Sendable {
    let host: Work.Host

    /// Looks at what is there.
    ///
    /// - Parameter backup: what is to be restored; the state comes first that was taken closest to it.
    func find(
        for backup: BackupReference
    ) async throws -> (states: [LocalState], objections: [Objection]) {
        var states: [LocalState] = []
        var objections: [Objection] = []
        for candidate in [try await base(backup.project), try await staged(backup.project)] {
            switch candidate {
            case .usable(let state): states.append(state)
            case .doubtful(let code, let why):
                objections.append(Objection(code: code, sentence: why))
            case nil: break
            }
        }
        func distance(_ state: LocalState) -> (Int, Int64) {
            let apart = state.backup.takenAt.milliseconds - backup.takenAt.milliseconds
            return (state.backup.rootTree == backup.rootTree ? 0 : 1, abs(apart))
        }
        return (states.sorted { distance($0) < distance($1) }, objections)
    }

    /// Why a state is not built on: a word for metrics, and a sentence.
    struct Objection: Sendable, Hashable {
        let code: String
        let sentence: String
    }

    private enum Candidate {
        case usable(LocalState)
        case doubtful(String, String)
    }

    private func base(_ project: ProjectID) async throws -> Candidate? {
        guard let record = try await host.ledger.volume(project), let base = record.base else {
            return nil
        }
        let path = host.storage.layout.base(project)
        let files = try host.storage.files()
        guard try await files.uuid(path) != nil else {
            return .doubtful("base-missing", "base: it is gone")
        }
        let info = try await files.info(path)
        if base.isPartial ?? false {
            return .doubtful("base-partial", "base: its backup leaves something out")
        }
        guard base.backup.project == project else {
            return .doubtful(
                "base-of-another-project", "base: it is of another project's backup")
        }
        guard base.filesystem == files.filesystem else {
            return .doubtful("other-filesystem", "base: it was made on another file system")
        }
        guard info.isPristine else {
            return .doubtful(
                "base-changed", "base: it was or can be written to since it was taken")
        }
        guard info.parent == base.subvolume, info.ctransid == base.coveredTransid else {
            return .doubtful(
                "base-unknown", "base: it is not the snapshot that the ledger knows")
        }
        return .usable(LocalState(origin: .base, path: path, backup: base.backup))
    }

    private func staged(_ project: ProjectID) async throws -> Candidate? {
        guard let state = try await host.ledger.stagedState(of: project) else { return nil }
        let path = host.storage.layout.stagedState(project, state.operation)
        let files = try host.storage.files()
        guard try await files.uuid(path) == state.subvolume else {
            return .doubtful("staged-missing", "staged: it is gone")
        }
        let info = try await files.info(path)
        guard state.filesystem == files.filesystem, info.isPristine,
            info.ctransid == state.ctransid
        else { return .doubtful("staged-changed", "staged: it is not as it was left") }
        return .usable(LocalState(origin: .staged, path: path, backup: state.backup))
    }
}
