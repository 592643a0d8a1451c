import ObjectStore
import Shared

/// Which objects of which repository an operation may reach (D10): packs to write for a backup,
/// what a restore reads for the others; never keys, config or locks, and never a deletion.
enum ObjectAccess {
    /// The project whose repository the operation works on; nil for kinds that need none.
    static func project(of operation: FencedOperation) throws -> ProjectID? {
        switch operation.kind {
        case .volumeBackup:
            try JSON.decode(VolumeBackupInput.self, from: operation.input).volume.project
        case .volumeRestore:
            try JSON.decode(VolumeRestoreInput.self, from: operation.input).backup.project
        case .volumeApply:
            try JSON.decode(VolumeApplyInput.self, from: operation.input).backup.project
        case .start, .stop, .backup, .restore, .move, .copy, .delete, .importTree, .execute,
            .check, .forget, .prune, .repair, .rekey, .drain, .batch, .hostCheck, .hostInventory,
            .volumeCreate, .volumeThaw, .volumeRetire, .volumeImport, .volumeExecute,
            .runtimeStart, .runtimeStop:
            nil
        }
    }

    /// Whether the operation may read an object.
    static func mayRead(_ name: ObjectName) -> Bool {
        let first = name.segments.first ?? ""
        return ["config", "data", "index", "snapshots"].contains(first)
    }

    /// Whether the operation may list below a prefix.
    static func mayList(_ prefix: ObjectPrefix) -> Bool {
        ["index/", "snapshots/"].contains(prefix.text)
    }

    /// The hash that a new pack must have: its own name, `data/xx/<sha256>`.
    ///
    /// - Returns: nil when the operation may not write this object.
    static func packHash(_ name: ObjectName, kind: OperationKind) -> [UInt8]? {
        let segments = name.segments
        guard kind == .volumeBackup, segments.count == 3, segments[0] == "data",
            segments[2].utf8.count == 64, segments[2].hasPrefix(segments[1]),
            segments[1].utf8.count == 2
        else { return nil }
        var bytes: [UInt8] = []
        var rest = segments[2]
        while !rest.isEmpty {
            guard let byte = UInt8(rest.prefix(2), radix: 16) else { return nil }
            bytes.append(byte)
            rest = rest.dropFirst(2)
        }
        return bytes
    }
}
