import Shared

/// Where everything is on the btrfs file system.
///
/// ```
/// .berth                            the marker
/// projects/<project>                the writable volume
/// snapshots/<project>/<name>        read-only snapshots
/// base/<project>                    the snapshot behind the last acknowledged backup
/// base/<project>-<operation>-next   a snapshot on its way there: a read-only subvolume cannot be
///                                   moved into another directory (rename(2) gives EROFS)
/// base/<project>-<operation>-staged what a later restore builds on
/// staging/<project>-<operation>-…   a restore in the making
/// trash/<project>-<generation>      what was retired
/// ```
struct VolumeLayout: Sendable, Equatable {
    /// The root of the btrfs file system.
    let root: String

    var marker: String { root + "/.berth" }
    var projects: String { root + "/projects" }
    var snapshots: String { root + "/snapshots" }
    var bases: String { root + "/base" }
    var staging: String { root + "/staging" }
    var trash: String { root + "/trash" }

    /// The directories with their modes: only the volumes' own parent may be walked through by the
    /// projects' users, who must reach their home by its path.
    var directories: [(path: String, mode: UInt32)] {
        [
            (projects, 0o711), (snapshots, 0o700), (bases, 0o700), (staging, 0o700),
            (trash, 0o700),
        ]
    }

    func volume(_ project: ProjectID) -> String { "\(projects)/\(project)" }

    func base(_ project: ProjectID) -> String { "\(bases)/\(project)" }

    func snapshots(of project: ProjectID) -> String { "\(snapshots)/\(project)" }

    func snapshot(_ project: ProjectID, _ name: String) -> String {
        "\(snapshots(of: project))/\(name)"
    }

    /// What one operation restores.
    func staging(_ project: ProjectID, _ operation: OperationID) -> String {
        "\(staging)/\(project)-\(operation)-restore"
    }

    /// The snapshot that one operation makes the base.
    func nextBase(_ project: ProjectID, _ operation: OperationID) -> String {
        "\(bases)/\(project)-\(operation)-next"
    }

    func trash(_ project: ProjectID, generation: Int64) -> String {
        "\(trash)/\(project)-\(generation)"
    }

    /// What one operation leaves for a restore to build on.
    func stagedState(_ project: ProjectID, _ operation: OperationID) -> String {
        "\(bases)/\(project)-\(operation)-staged"
    }

    /// Which operation a name in `staging` or `base` belongs to; nil for a base itself and for
    /// other names.
    static func operation(ofStaging name: String) -> OperationID? {
        let parts = name.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 3, ProjectID(String(parts[0])) != nil else { return nil }
        return OperationID(String(parts[1]))
    }
}
