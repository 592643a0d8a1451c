import CBtrfs
import Glibc
import Platform

/// A failure of btrfs, or of the place where it should be.
public struct BtrfsError: Error, Sendable, CustomStringConvertible {
    /// What kind of failure it is.
    public enum Code: Sendable, Hashable {
        /// The path is on another kind of file system.
        case notBtrfs
        /// Nothing is mounted there, or something else than before.
        case notMounted
        /// The path is an ordinary directory or file, or a part of a subvolume.
        case notSubvolume
        /// There is nothing at the path.
        case notFound
        /// There is something at the path already.
        case alreadyExists
        /// The kernel refuses: this needs root.
        case permission
        /// The file system, or its quota, is full.
        case noSpace
        /// The subvolume holds further subvolumes.
        case hasNestedSubvolumes
        /// The file system or subvolume cannot be written.
        case readOnly
        /// Somebody uses it still.
        case busy
        /// It is not this program's; it was left as it is.
        case foreign
        /// A tool failed, or the kernel for another reason; see `errno` and the message.
        case failed
    }

    /// What kind of failure it is.
    public let code: Code
    /// What was tried, on what.
    public let message: String
    /// The system's error number, or 0 where there is none (errno(3)).
    public let errno: Int32

    /// A failure that needs no error number.
    public init(code: Code, message: String, errno: Int32 = 0) {
        self.code = code
        self.message = message
        self.errno = errno
    }

    /// A failure with the kind that its error number tells.
    init(_ message: String, errno number: Int32) {
        let code: Code =
            switch number {
            case ENOENT: .notFound
            case EEXIST: .alreadyExists
            case EPERM, EACCES: .permission
            case ENOSPC, EDQUOT: .noSpace
            case ENOTEMPTY: .hasNestedSubvolumes
            case EROFS: .readOnly
            case EBUSY, ETXTBSY: .busy
            case ENOTTY: .notBtrfs
            default: .failed
            }
        self.init(code: code, message: message, errno: number)
    }

    /// What to do about it.
    public var hint: String {
        switch code {
        case .notBtrfs: "give a directory of a mounted btrfs file system"
        case .notMounted: "mount the file system again; nothing is written until then"
        case .notSubvolume: "give the path of a subvolume"
        case .notFound: "check the path"
        case .alreadyExists: "choose another path, or remove what is there"
        case .permission: "run it as root (CAP_SYS_ADMIN)"
        case .noSpace: "free space, or make the file system or quota larger"
        case .hasNestedSubvolumes: "delete the subvolumes below it first, or force it"
        case .readOnly: "look at the kernel log; after a disk error btrfs goes read-only"
        case .busy: "end the processes that use it"
        case .foreign: "choose another path"
        case .failed: "look at the kernel log"
        }
    }

    /// The message, the text of the error number and what to do.
    public var description: String {
        let reason = errno == 0 ? "" : ": " + describe(errno: errno)
        return "\(message)\(reason) (\(hint))"
    }
}

/// Runs a function of libbtrfsutil and turns its answer into an error.
func btrfs(_ what: @autoclosure () -> String, _ call: () -> btrfs_util_error) throws(BtrfsError) {
    let answer = call()
    guard answer != BTRFS_UTIL_OK else { return }
    let number = errno
    switch answer {
    case BTRFS_UTIL_ERROR_NOT_BTRFS: throw BtrfsError(code: .notBtrfs, message: what())
    case BTRFS_UTIL_ERROR_NOT_SUBVOLUME: throw BtrfsError(code: .notSubvolume, message: what())
    case BTRFS_UTIL_ERROR_SUBVOLUME_NOT_FOUND:
        throw BtrfsError(code: .notFound, message: what(), errno: number)
    default: throw BtrfsError(what(), errno: number)
    }
}

/// Runs a system call that answers -1 for failure, again while a signal interrupts it.
@discardableResult
func btrfsCall(_ what: @autoclosure () -> String, _ call: () -> Int32) throws(BtrfsError) -> Int32 {
    while true {
        let answer = call()
        if answer >= 0 { return answer }
        let number = errno
        if number != EINTR { throw BtrfsError(what(), errno: number) }
    }
}
