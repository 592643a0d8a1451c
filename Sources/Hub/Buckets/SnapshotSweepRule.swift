import Repository
import Shared

/// Which snapshot files of a repository a prune removes before it looks at packs.
///
/// What this database knows nothing of stays (D2, D4): it may have been restored from an older dump,
/// and the backup acknowledged since then.
struct SnapshotSweepRule: Sendable {
    let project: ProjectID
    /// The names of recorded snapshots that are to be kept.
    let live: Set<String>
    /// Those of recorded ones whose backups were forgotten.
    let forgotten: Set<String>
    /// The backups whose operations have not ended.
    let making: Set<String>
    /// The backups whose operations are known here, and have ended.
    let ended: Set<String>
    /// When the database's history began, where it is not the fleet's first.
    let historyBegan: Timestamp?

    private static let programPrefix = "berth "

    /// Whether a file goes: its backup was forgotten, or a commit left it that was never recorded.
    func removes(_ name: String, _ file: SnapshotFile) -> Bool {
        if live.contains(name) { return false }
        if forgotten.contains(name) { return true }
        let tags = file.tags ?? []
        // A backup of a history that is lost was acknowledged; hosts' clocks may differ.
        let isOfLostHistory =
            historyBegan.map { file.time.seconds < $0.milliseconds / 1000 + 3600 } ?? false
        return file.hostname == "\(project)"
            && file.programVersion?.hasPrefix(Self.programPrefix) == true
            && tags.contains(where: ended.contains) && !tags.contains(where: making.contains)
            && !isOfLostHistory
    }
}
