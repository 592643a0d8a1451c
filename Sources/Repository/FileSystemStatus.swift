import Glibc
import Platform

/// What stat(2) says of an entry, as far as a backup cares.
public struct FileSystemStatus: Sendable, Hashable {
    /// `st_dev`; 0 where it does not matter.
    public let device: UInt64
    /// `st_ino`.
    public let inode: UInt64
    /// `st_mode`, type bits included.
    public let mode: UInt32
    /// `st_nlink`.
    public let links: UInt64
    /// The owner's number.
    public let uid: UInt32
    /// The group's number.
    public let gid: UInt32
    /// Length of a file.
    public let sizeBytes: Int64
    /// When the content was last changed.
    public let modified: NodeTime
    /// `st_rdev`.
    public let specialDevice: UInt64

    /// Makes one from what another source tells.
    public init(
        inode: UInt64, mode: UInt32, links: UInt64, uid: UInt32, gid: UInt32, sizeBytes: Int64,
        modified: NodeTime, specialDevice: UInt64
    ) {
        device = 0
        self.inode = inode
        self.mode = mode
        self.links = links
        self.uid = uid
        self.gid = gid
        self.sizeBytes = sizeBytes
        self.modified = modified
        self.specialDevice = specialDevice
    }

    init(_ status: stat) {
        device = UInt64(status.st_dev)
        inode = UInt64(status.st_ino)
        mode = status.st_mode
        links = UInt64(status.st_nlink)
        uid = status.st_uid
        gid = status.st_gid
        sizeBytes = Int64(status.st_size)
        modified = NodeTime(
            seconds: Int64(status.st_mtim.tv_sec), nanoseconds: Int32(status.st_mtim.tv_nsec))
        specialDevice = UInt64(status.st_rdev)
    }

    /// What an open file is (fstat(2)).
    init(ofFile number: Int32) throws {
        var status = stat()
        try systemCall("fstat") { unsafe fstat(number, &status) }
        self.init(status)
    }

    /// What the entry is.
    public var kind: Node.Kind {
        switch mode & S_IFMT {
        case S_IFDIR: .directory
        case S_IFLNK: .symlink
        case S_IFBLK: .blockDevice
        case S_IFCHR: .characterDevice
        case S_IFIFO: .fifo
        case S_IFSOCK: .socket
        default: .file
        }
    }
}
