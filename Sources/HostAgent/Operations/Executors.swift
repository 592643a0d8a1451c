import Shared

/// Which executor does which kind.
enum Executors {
    /// How many phases an operation of a kind reports.
    static func phaseCount(of kind: OperationKind) -> Int {
        switch kind {
        case .volumeBackup: 4
        case .volumeRestore: 3
        case .volumeApply: 2
        case .hostCheck, .volumeCreate, .volumeThaw, .volumeRetire, .volumeImport,
            .volumeExecute, .runtimeStart, .runtimeStop, .start, .stop, .backup, .restore, .move,
            .copy, .delete, .importTree, .execute, .check, .forget, .prune, .repair, .rekey,
            .drain, .batch, .hostInventory:
            1
        }
    }

    /// Does an operation's work.
    ///
    /// - Returns: the kind's result document, nil for a kind without one.
    /// - Throws: `Failure`, or anything that `FailureTranslation` makes one of.
    @concurrent
    static func run(_ operation: LeasedOperation, _ work: Work) async throws -> JSONValue? {
        func input<Input: Decodable>(_ type: Input.Type) throws -> Input {
            try JSON.decode(type, from: operation.input)
        }
        switch operation.kind {
        case .hostCheck:
            return try JSON.value(try await HostCheck().run(work))
        case .hostInventory:
            return try JSON.value(try await HostInventory().run(work))
        case .volumeCreate:
            try await VolumeCreate().run(try input(VolumeInput.self), work)
        case .volumeBackup:
            let input = try input(VolumeBackupInput.self)
            return try JSON.value(try await VolumeBackup(input: input, work: work).run())
        case .volumeRestore:
            let input = try input(VolumeRestoreInput.self)
            return try JSON.value(try await VolumeRestore(input: input, work: work).run())
        case .volumeApply:
            try await VolumeApply(input: try input(VolumeApplyInput.self), work: work).run()
        case .volumeThaw:
            try await VolumeThaw().run(try input(VolumeInput.self), work)
        case .volumeRetire:
            try await VolumeRetire().run(try input(VolumeRetireInput.self), work)
        case .volumeImport:
            try await VolumeImport(input: try input(VolumeImportInput.self), work: work).run()
        case .volumeExecute:
            let input = try input(VolumeExecuteInput.self)
            return try JSON.value(try await VolumeExecute().run(input, work))
        case .runtimeStart:
            try await RuntimeStart().run(try input(RuntimeInput.self), work)
        case .runtimeStop:
            return try JSON.value(try await RuntimeStop().run(try input(RuntimeInput.self), work))
        case .start, .stop, .backup, .restore, .move, .copy, .delete, .importTree, .execute,
            .check, .forget, .prune, .repair, .rekey, .drain, .batch:
            throw Failure(
                code: "kind-unsupported",
                message: "\(operation.kind.rawValue) is work of the hub, not of a host")
        }
        return nil
    }
}
