import Btrfs
import Platform

/// A real btrfs file system on a loop device that is gone after the test, failed or not.
enum LoopFilesystem {
    static func with(
        sizeBytes: Int64 = 256 << 20,
        _ body: @Sendable (BtrfsFilesystem, String) async throws -> Void
    ) async throws {
        let directory = try TemporaryDirectory(prefix: "berth-btrfs")
        let image = LoopImage(
            path: directory.path + "/image", sizeBytes: sizeBytes,
            mountPoint: directory.path + "/mount")
        do {
            let filesystem = try await image.mount()
            try await body(filesystem, filesystem.mountPoint)
        } catch {
            try await image.unmount()
            throw error
        }
        try await image.unmount()
        try directory.remove()
    }
}
