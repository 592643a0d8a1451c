import Glibc

/// A control group (cgroups(7)): a process in it cannot leave it without root's rights, nor can
/// anything that descends from it, whatever user it becomes.
///
/// No limits are set here.
///
/// With version 2 the groups lie in the one hierarchy; with version 1 in that of the `pids`
/// controller, or another that is mounted.
public struct ControlGroup: Sendable, Hashable {
    /// The name below the hierarchy's root, such as `berth-host/project`.
    public let name: String
    private let root: String

    /// Names a group; nothing is made yet.
    ///
    /// - Parameter name: components of letters, digits, `-` and `_`, joined by `/`.
    /// - Returns: nil on a system without a hierarchy of control groups.
    public init?(name: String) {
        guard let root = Self.hierarchy else { return nil }
        self.name = name
        self.root = root
    }

    private var path: String { root + "/" + name }

    /// Where groups can be made, or nil where no hierarchy is mounted for us to write.
    private static var hierarchy: String? {
        let candidates = [
            "/sys/fs/cgroup", "/sys/fs/cgroup/pids", "/sys/fs/cgroup/freezer",
            "/sys/fs/cgroup/systemd",
        ]
        return candidates.first { unsafe access($0 + "/cgroup.procs", W_OK) == 0 }
    }

    /// Makes the group and those above it; ones that are there are a success.
    ///
    /// - Throws: `PlatformError` with the error number.
    public func create() throws {
        var made = root
        for component in name.split(separator: "/") {
            made += "/" + component
            if unsafe mkdir(made, 0o755) != 0, errno != EEXIST {
                throw PlatformError(
                    code: .systemCall, message: "make control group \(made)", errno: errno)
            }
        }
    }

    /// Removes the group where nothing is in it; one that is not there is a success.
    ///
    /// - Returns: whether it is gone.
    @discardableResult
    public func remove() -> Bool {
        unsafe rmdir(path) == 0 || errno == ENOENT
    }

    /// The processes in the group; none where there is no such group.
    ///
    /// - Throws: `PlatformError` when it cannot be read.
    public func processes() throws -> [Int32] {
        guard unsafe access(path, F_OK) == 0 else { return [] }
        let bytes = try DurableFile.read(path + "/cgroup.procs", limitBytes: 1 << 20)
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").compactMap {
            Int32($0)
        }
    }

    /// The names of the groups that a process is in, in all hierarchies; none when it has ended.
    public static func names(of pid: Int32) -> [String] {
        // A process that ends meanwhile is in no group.
        guard let bytes = try? DurableFile.read("/proc/\(pid)/cgroup", limitBytes: 65_536) else {
            return []
        }
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").compactMap { line in
            let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            return parts.count == 3 ? String(parts[2].drop { $0 == "/" }) : nil
        }
    }

    /// The file that a process enters the group by; the caller closes it.
    func openProcesses() throws -> Int32 {
        try Descriptor(opening: path + "/cgroup.procs", flags: O_WRONLY).release()
    }
}
