import Glibc

/// A file's mode as Go's `os.FileMode` counts it, which is what restic's trees hold: nine
/// permission bits and flags from bit 31 downwards.
public struct NodeMode: RawRepresentable, Hashable, Sendable {
    /// The number in the tree.
    public let rawValue: UInt32

    /// - Parameter rawValue: the number in a tree.
    public init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    private static let directory: UInt32 = 1 << 31
    private static let symlink: UInt32 = 1 << 27
    private static let device: UInt32 = 1 << 26
    private static let fifo: UInt32 = 1 << 25
    private static let socket: UInt32 = 1 << 24
    private static let setUID: UInt32 = 1 << 23
    private static let setGID: UInt32 = 1 << 22
    private static let characterDevice: UInt32 = 1 << 21
    private static let sticky: UInt32 = 1 << 20

    /// - Parameter status: `st_mode` of stat(2).
    public init(status: UInt32) {
        var mode = status & 0o777
        switch status & S_IFMT {
        case S_IFDIR: mode |= NodeMode.directory
        case S_IFLNK: mode |= NodeMode.symlink
        case S_IFBLK: mode |= NodeMode.device
        case S_IFCHR: mode |= NodeMode.device | NodeMode.characterDevice
        case S_IFIFO: mode |= NodeMode.fifo
        case S_IFSOCK: mode |= NodeMode.socket
        default: break
        }
        if status & UInt32(S_ISUID) != 0 { mode |= NodeMode.setUID }
        if status & UInt32(S_ISGID) != 0 { mode |= NodeMode.setGID }
        if status & UInt32(S_ISVTX) != 0 { mode |= NodeMode.sticky }
        self.init(rawValue: mode)
    }

    /// The twelve bits that chmod(2) takes: permissions, setuid, setgid, sticky.
    public var permissions: UInt32 {
        var bits = rawValue & 0o777
        if rawValue & NodeMode.setUID != 0 { bits |= UInt32(S_ISUID) }
        if rawValue & NodeMode.setGID != 0 { bits |= UInt32(S_ISGID) }
        if rawValue & NodeMode.sticky != 0 { bits |= UInt32(S_ISVTX) }
        return bits
    }

    /// The same mode without setuid and setgid.
    public var withoutSetID: NodeMode {
        NodeMode(rawValue: rawValue & ~(NodeMode.setUID | NodeMode.setGID))
    }
}
