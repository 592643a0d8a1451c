import Btrfs
import Glibc
import Platform
import Shared

/// What executors do with subvolumes, off the cooperative threads.
///
/// Made by `Storage.files()`, so only while the file system is certain to be this ledger's.
struct VolumeFiles: Sendable {
    let layout: VolumeLayout
    /// The file system's identity.
    let filesystem: FilesystemID
    private let pool: BlockingPool

    /// What is known of a subvolume, as of now in memory: sync first where it matters.
    struct Info: Sendable, Equatable {
        var uuid: String
        var ctransid: Int64
        var isReadOnly: Bool
        /// The subvolume that it is a snapshot of.
        var parent: String?
        /// Whether nothing was written to it since it was made.
        var isPristine: Bool
    }

    init(layout: VolumeLayout, filesystem: FilesystemID, pool: BlockingPool) {
        self.layout = layout
        self.filesystem = filesystem
        self.pool = pool
    }

    /// The identity of the file system at a mount point; blocks.
    static func filesystem(at path: String) throws -> FilesystemID {
        let filesystem = try BtrfsFilesystem(mountPoint: path)
        guard let id = FilesystemID(uuid: filesystem.uuid.description) else {
            throw AgentError(.storage, "\(path) has no file system UUID")
        }
        return id
    }

    /// Free and total bytes; blocks.
    static func space(at path: String) throws -> (freeBytes: Int64, totalBytes: Int64) {
        let space = try BtrfsFilesystem(mountPoint: path).space()
        return (space.freeBytes, space.totalBytes)
    }

    /// Whether there is anything at a path, a link not followed.
    func exists(_ path: String) async throws -> Bool {
        try await pool.run {
            var status = stat()
            if unsafe lstat(path, &status) == 0 { return true }
            guard errno == ENOENT else {
                throw PlatformError(
                    code: .systemCall, message: "look at \(path)", errno: errno)
            }
            return false
        }
    }

    /// The names in a directory that are text.
    func names(in path: String) async throws -> [String] {
        try await pool.run {
            try directoryEntries(of: Descriptor(opening: path, flags: O_DIRECTORY))
                .map { String(decoding: $0, as: UTF8.self) }
        }
    }

    func isEmpty(_ path: String) async throws -> Bool { try await names(in: path).isEmpty }

    /// Makes a subvolume that belongs to somebody.
    func create(_ path: String, uid: UInt32, gid: UInt32, mode: UInt32) async throws {
        try await pool.run {
            _ = try Subvolume.create(at: path)
            let directory = try Descriptor(opening: path, flags: O_DIRECTORY | O_NOFOLLOW)
            try directory.withNumber { number in
                try systemCall("set the mode of \(path)") { fchmod(number, mode) }
                try systemCall("give \(path) away") { fchown(number, uid, gid) }
            }
        }
    }

    /// Takes a snapshot, read-only unless said otherwise.
    func snapshot(_ path: String, to target: String, isReadOnly: Bool = true) async throws {
        try await pool.run {
            _ = try Subvolume(at: path).snapshot(to: target, isReadOnly: isReadOnly)
        }
    }

    func info(_ path: String) async throws -> Info {
        try await pool.run {
            let info = try Subvolume(at: path).info()
            return Info(
                uuid: info.uuid.description, ctransid: Int64(info.ctransid),
                isReadOnly: info.isReadOnly, parent: info.parentUUID?.description,
                isPristine: info.isReadOnly && info.ctransid <= info.otransid)
        }
    }

    /// The subvolume at a path; nil when there is none.
    func uuid(_ path: String) async throws -> String? {
        try await pool.run {
            try Subvolume.exists(at: path) ? try Subvolume(at: path).info().uuid.description : nil
        }
    }

    func setReadOnly(_ path: String, _ isReadOnly: Bool) async throws {
        try await pool.run { try Subvolume(at: path).setReadOnly(isReadOnly) }
    }

    /// Deletes a subvolume with those below it, or whatever else is there.
    func delete(_ path: String) async throws {
        try await pool.run {
            if try Subvolume.exists(at: path) {
                try Subvolume(at: path).delete(recursively: true)
            } else {
                try removeTree(at: path)
            }
        }
    }

    /// Writes everything of the file system out and commits.
    func sync(_ path: String) async throws {
        let root = layout.root
        try await pool.run { try BtrfsFilesystem(mountPoint: root).sync() }
    }

    /// Renames onto a name that nothing has, durably.
    func rename(_ path: String, to target: String) async throws {
        try await pool.run {
            try VolumePath.rename(path, to: target)
            try DurableFile.syncDirectory(of: target)
            try DurableFile.syncDirectory(of: path)
        }
    }

    /// Puts a subvolume into a volume's place, and the volume where that was, in one step, durably.
    func replace(_ volume: String, by path: String) async throws {
        try await pool.run {
            try Self.whileWritable(volume) { try exchangeNames(path, volume) }
        }
    }

    /// Moves a volume to a name in another directory that nothing has, durably.
    func moveAway(_ volume: String, to target: String) async throws {
        try await pool.run {
            try Self.whileWritable(volume) { try VolumePath.rename(volume, to: target) }
            try DurableFile.syncDirectory(of: target)
            try DurableFile.syncDirectory(of: volume)
        }
    }

    /// A read-only subvolume cannot be moved into another directory; one that was not moved is
    /// read-only again.
    private static func whileWritable(_ path: String, _ move: () throws -> Void) throws {
        let volume = try Subvolume(at: path)
        let before = try volume.info()
        if before.isReadOnly { try volume.setReadOnly(false) }
        do {
            try move()
        } catch {
            let there = try Subvolume(at: path)
            if before.isReadOnly, try there.info().uuid == before.uuid {
                try there.setReadOnly(true)
            }
            throw error
        }
    }

    /// Exchanges two names in one step, durably.
    func exchange(_ path: String, _ other: String) async throws {
        try await pool.run { try exchangeNames(path, other) }
    }

    /// Makes a directory that only root can use; one that is there is no error.
    func makeDirectory(_ path: String, mode: UInt32) async throws {
        try await pool.run {
            if unsafe mkdir(path, mode) != 0, errno != EEXIST {
                throw PlatformError(
                    code: .systemCall, message: "make the directory \(path)", errno: errno)
            }
        }
    }

    /// A name in the trash that nothing has.
    func freeTrashPath(_ project: ProjectID, generation: Int64) async throws -> String {
        try await freeName(layout.trash(project, generation: generation))
    }

    /// A path that nothing has: this one, or with a number.
    func freeName(_ path: String) async throws -> String {
        var candidate = path
        var number = 1
        while try await exists(candidate) {
            number += 1
            candidate = "\(path)-\(number)"
        }
        return candidate
    }

    /// Makes a snapshot in staging the base of a project, in place of the one before; can be
    /// repeated after a crash between any two of its steps.
    ///
    /// - Parameters:
    ///   - project: whose base.
    ///   - staged: where the snapshot is, unless it is the base already.
    ///   - subvolume: which one it is.
    func replaceBase(
        of project: ProjectID, by staged: String, subvolume: String
    ) async throws {
        let base = layout.base(project)
        if try await uuid(base) != subvolume {
            guard try await uuid(staged) == subvolume else {
                throw Failure(
                    code: "staging-missing",
                    message: "the snapshot of project \(project) is gone from \(staged)",
                    class: .retryable)
            }
            if try await exists(base) {
                try await exchange(staged, base)
            } else {
                try await rename(staged, to: base)
            }
        }
        if try await exists(staged) { try await delete(staged) }
    }
}
