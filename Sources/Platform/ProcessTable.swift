import CPlatform
import Glibc

/// What /proc says about processes (proc(5)); each answer may be out of date when it arrives.
public enum ProcessTable {
    /// One process.
    public struct Entry: Sendable, Hashable {
        /// The process id.
        public let pid: Int32
        /// The effective user id.
        public let userID: UInt32
        /// The parent's id, field 4 of stat.
        public let parent: Int32
        /// The process group, field 5 of stat.
        public let group: Int32
        /// The session, field 6 of stat.
        public let session: Int32
        /// When it started, in clock ticks since boot, field 22 of stat: with the process id it
        /// names a process for as long as the machine runs.
        public let startTime: UInt64
        /// Whether it has ended and waits for its parent.
        public let isZombie: Bool
    }

    /// A process, or nil when there is none of that id.
    public static func entry(_ pid: Int32) -> Entry? {
        let directory = "/proc/\(pid)"
        var status = stat()
        // A process may end between any two of these: then it is gone, which is no error.
        guard unsafe stat(directory, &status) == 0,
            let bytes = try? DurableFile.read(directory + "/stat", limitBytes: 4096),
            // Field 2 is the name in parentheses, which itself may hold spaces and parentheses.
            let end = bytes.lastIndex(of: UInt8(ascii: ")"))
        else { return nil }
        let rest = String(decoding: bytes[(end + 1)...], as: UTF8.self)
        let fields = rest.split(separator: " ")
        guard fields.count > 19, let parent = Int32(fields[1]), let group = Int32(fields[2]),
            let session = Int32(fields[3]), let startTime = UInt64(fields[19])
        else { return nil }
        return Entry(
            pid: pid, userID: status.st_uid, parent: parent, group: group, session: session,
            startTime: startTime, isZombie: fields[0] == "Z" || fields[0] == "X")
    }

    /// Every process that has not ended.
    ///
    /// - Throws: `PlatformError` when /proc cannot be read.
    public static func all() throws -> [Entry] {
        let proc = try Descriptor(opening: "/proc", flags: O_DIRECTORY)
        return try directoryEntries(of: proc).compactMap { name in
            Int32(String(decoding: name, as: UTF8.self)).flatMap { entry($0) }
        }.filter { !$0.isZombie }
    }

    /// The ids of the processes that run as a user.
    ///
    /// - Throws: `PlatformError` when /proc cannot be read.
    public static func processes(ofUser userID: UInt32) throws -> [Int32] {
        try all().filter { $0.userID == userID }.map(\.pid)
    }

    /// Whether no process of that id is left, a zombie not counted.
    public static func isGone(_ pid: Int32) -> Bool {
        entry(pid)?.isZombie ?? true
    }

    /// The kernel's id of this boot: process ids and start times of another boot mean nothing.
    ///
    /// - Throws: `PlatformError` when /proc cannot be read.
    public static func bootID() throws -> String {
        let bytes = try DurableFile.read("/proc/sys/kernel/random/boot_id", limitBytes: 64)
        return String(decoding: bytes, as: UTF8.self).filter { !$0.isWhitespace }
    }
}
