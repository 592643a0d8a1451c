import Glibc
import Platform

/// What stat(2) says of an entry, as far as a backup cares.
struct FileSystemStatus: Sendable, Hashable {
    let device: UInt64
    let inode: UInt64
    /// `st_mode`, type bits included.
    let mode: UInt32
    let links: UInt64
    let uid: UInt32
    let gid: UInt32
    let sizeBytes: Int64
    let modified: NodeTime
    /// `st_rdev`.
    let specialDevice: UInt64

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

    var kind: Node.Kind {
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
