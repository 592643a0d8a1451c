import CPlatform
import Glibc
import Platform
import Shared

/// `volume.import`: copies a directory of the host into a volume, by cp(1), which keeps extended
/// attributes, ACLs, hard links and holes and shares extents where it can.
struct VolumeImport: Sendable {
    /// The copy runs only in the directory that was made for it, whatever has its name by then.
    private static let script = """
        [ "$(stat -c %i .)" = "$1" ] || { echo 'the staging directory was renamed' >&2; exit 9; }
        cp -aT --reflink=auto -- "$2" content || exit
        [ -z "$3" ] || {
            find content '(' -type b -o -type c ')' -delete &&
            chown -hR -- "$3" content && chmod -R ug-s content
        }
        """
    /// Keeps what cp says within bounds.
    private static let outputLimitBytes = 1 << 20

    let input: VolumeImportInput
    let work: Work

    private var volume: String { work.layout.volume(input.volume.project) }

    func run() async throws {
        guard input.directory.hasPrefix("/") else {
            throw Failure(
                code: "directory-invalid", message: "\(input.directory) is not an absolute path")
        }
        try await work.host.gate.alone(input.volume.project) {
            _ = try await work.record(of: input.volume)
            let staging = ApplyStaging(
                volume: volume, operation: work.operation, pool: work.host.pool)
            let files = try work.host.storage.files()
            var ready: OperationJournal.Application?
            if case .applying(let known) = try await work.ledger.journal(work.operation) {
                // A try before this one had copied everything and began to put it into place.
                ready = known
            }
            if ready?.isInPlace != true {
                // A backup between the tries has removed what was not in its place yet.
                if let inode = ready?.inode, try await !staging.isThere(inode: inode) {
                    ready = nil
                }
                let inode = if let ready { ready.inode } else { try await copied(into: staging) }
                try await publish(staging, inode)
                try await work.ledger.setJournal(
                    work.operation,
                    .applying(OperationJournal.Application(inode: inode, isInPlace: true)))
            }
            try await staging.remove()
            try await files.sync(volume)
        }
    }

    private func copied(into staging: ApplyStaging) async throws -> UInt64 {
        let inode = try await staging.make()
        try await copy(inode)
        try await work.ledger.setJournal(
            work.operation, .applying(OperationJournal.Application(inode: inode)))
        return inode
    }

    private func copy(_ inode: UInt64) async throws {
        work.progress.report("copy", 1)
        let owner = input.isFaithful ? "" : "\(input.volume.uid):\(input.volume.gid)"
        let path = ApplyStaging(
            volume: volume, operation: work.operation, pool: work.host.pool
        ).path
        let result: ChildResult
        do {
            result = try await ChildProcess.run(
                "/bin/sh", ["-c", Self.script, "sh", String(inode), input.directory, owner],
                environment: ["PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"],
                directory: path, outputLimitBytes: Self.outputLimitBytes)
        } catch let error as PlatformError where error.code == .limitExceeded {
            throw Failure(code: "import-failed", message: "\(error)")
        }
        guard result.isSuccess else {
            // cp(1) says it with the system's own words (strerror(3)), in the C locale.
            if result.errorText.contains("No space left on device") {
                throw Failure(
                    code: "host-full",
                    message: "\(input.directory) does not fit on the host: "
                        + String(result.errorText.prefix(1000)),
                    hint: "free space on the host, or move a project away, and import it again")
            }
            throw Failure(
                code: "import-failed",
                message: "\(input.directory) could not be copied: "
                    + String(result.errorText.prefix(1000)),
                hint: "look at the directory on the host")
        }
    }

    /// Puts the copy into place: a new directory by one rename; into the project's root name by
    /// name, none of which may exist.
    private func publish(_ staging: ApplyStaging, _ inode: UInt64) async throws {
        let target = VolumePath(volume: volume, path: input.destination)
        let volume = input.volume
        let content = Array(ApplyStaging.contentName.utf8)
        let name = input.destination.name
        let root = self.volume
        try await work.host.pool.run {
            let directory = try staging.open(inode: inode)
            if let name {
                // Nothing left to rename: it is in its place since the try before.
                guard try directoryEntries(of: directory).contains(content) else { return }
                let parent = try target.parent(uid: volume.uid, gid: volume.gid)
                try Self.rename(content, in: directory, to: name, in: parent)
                return
            }
            let copy = try Descriptor(
                opening: content, at: directory, flags: O_DIRECTORY | O_NOFOLLOW)
            let parent = try Descriptor(opening: root, flags: O_DIRECTORY | O_NOFOLLOW)
            let there = Set(try directoryEntries(of: parent))
            let names = try directoryEntries(of: copy)
            if let taken = names.first(where: there.contains) { throw Self.exists(taken) }
            for name in names { try Self.rename(name, in: copy, to: name, in: parent) }
        }
    }

    private static func rename(
        _ name: [UInt8], in directory: borrowing Descriptor, to newName: [UInt8],
        in parent: borrowing Descriptor
    ) throws {
        do {
            try VolumePath.rename(
                name, in: directory, to: newName, in: parent, isExchange: false)
        } catch let error as PlatformError where error.errno == EEXIST {
            throw exists(newName)
        }
    }

    private static func exists(_ name: [UInt8]) -> Failure {
        Failure(
            code: "exists",
            message: "\(String(decoding: name, as: UTF8.self)) exists in the project",
            hint: "name another destination")
    }
}
