import Platform

/// What is mounted where, as this process sees it (proc(5), /proc/self/mountinfo).
public enum MountTable {
    /// One mount.
    public struct Entry: Sendable, Hashable {
        /// The directory that it covers.
        public let mountPoint: String
        /// Which directory of the file system is mounted, `/` for all of it.
        public let root: String
        /// The kind, such as `btrfs`.
        public let kind: String
        /// What is mounted, such as `/dev/loop0`.
        public let source: String
        /// The options of this mount, such as `rw` and `noatime`.
        public let options: [String]
    }

    /// All mounts, in the order in which they were made.
    ///
    /// - Throws: `PlatformError` when the table cannot be read, or is above 16 MiB.
    public static func entries() throws -> [Entry] {
        let bytes = try DurableFile.read("/proc/self/mountinfo", limitBytes: 16 << 20)
        return parse(String(decoding: bytes, as: UTF8.self))
    }

    /// The topmost mount at exactly this directory, or nil.
    ///
    /// - Parameter path: an absolute path without links, `.` and `..`.
    /// - Throws: `PlatformError` when the table cannot be read.
    public static func entry(at path: String) throws -> Entry? {
        try entries().last { $0.mountPoint == path }
    }

    static func parse(_ text: String) -> [Entry] {
        text.split(separator: "\n").compactMap { line in
            // 36 35 98:0 /root /mnt rw,noatime optional… - kind source superoptions
            let fields = line.split(separator: " ", omittingEmptySubsequences: false)
            guard let dash = fields.firstIndex(of: "-"), dash >= 6, fields.count > dash + 2 else {
                return nil
            }
            return Entry(
                mountPoint: unescape(fields[4]), root: unescape(fields[3]),
                kind: String(fields[dash + 1]), source: unescape(fields[dash + 2]),
                options: fields[5].split(separator: ",").map(String.init))
        }
    }

    /// Space, tab, line feed and backslash are written as three octal digits.
    private static func unescape(_ field: Substring) -> String {
        var bytes: [UInt8] = []
        var rest = Array(field.utf8)[...]
        while let byte = rest.popFirst() {
            let digits = rest.prefix(3)
            if byte == UInt8(ascii: "\\"), digits.count == 3,
                let value = UInt8(String(decoding: digits, as: UTF8.self), radix: 8)
            {
                bytes.append(value)
                rest = rest.dropFirst(3)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
