import Btrfs
import Glibc
import Platform

/// The mount of the btrfs file system: the agent's own loop image, or somebody else's mount, which
/// it never changes.
struct FilesystemMount: Sendable {
    let directory: DataDirectory
    let storage: AgentConfiguration.Storage

    /// Makes and mounts the loop image; looks at a given mount point.
    func make() async throws {
        switch storage {
        case .loopImage(let path, let bytes):
            let image = LoopImage(
                path: path, sizeBytes: bytes, mountPoint: directory.mountPoint)
            let filesystem = try await image.mount()
            try expose(filesystem.mountPoint)
        case .mount(let path):
            let filesystem = try BtrfsFilesystem(mountPoint: path)
            guard try filesystem.isMountedNoAtime() else {
                throw AgentError(
                    .storage,
                    "\(path) is mounted with access times, so that reading looks like a change; "
                        + "run mount -o remount,noatime \(path), and put noatime into /etc/fstab")
            }
        }
    }

    /// Mounts the loop image again after the machine was started.
    func mountIfNeeded() async throws {
        switch storage {
        case .loopImage: try await make()
        case .mount: break
        }
    }

    /// Unmounts and detaches the agent's own loop image.
    func unmount() async throws {
        switch storage {
        case .loopImage(let path, let bytes):
            try await LoopImage(
                path: path, sizeBytes: bytes, mountPoint: directory.mountPoint
            ).unmount()
        case .mount: break
        }
    }

    /// The projects' users reach their home through the root, and cannot list it.
    private func expose(_ path: String) throws {
        let root = try Descriptor(opening: path, flags: O_DIRECTORY)
        try root.withNumber { number in
            try systemCall("set the mode of \(path)") { fchmod(number, 0o711) }
        }
    }
}
