/// What of a backup is restored.
public enum RestoreSelection: Sendable, Hashable {
    /// A whole volume: the content of the root's one directory `project` into the target, and that
    /// directory's metadata onto the target itself.
    case volume
    /// Everything in the root tree as it is, into the target, whose own metadata stays: for
    /// backups of stock restic.
    case tree
    /// One file or directory of a volume.
    ///
    /// - Parameters:
    ///   - path: raw bytes relative to the volume's root, without `.`, `..` and a leading slash.
    ///   - name: what it is called in the target, which must not have it yet.
    case path([UInt8], name: [UInt8])
}
