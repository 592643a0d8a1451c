import Glibc
import Platform

/// A btrfs file system in a sparse image file on a loop device, for machines without a disk to
/// spare.
///
/// Each step is taken only when it is still to be taken, so that `mount` after a crash or a
/// restart goes on where it was. An image that this type did not format is never touched: its
/// own images carry the label `berth`.
public struct LoopImage: Sendable {
    /// The image file.
    public let path: String
    /// Its size in bytes when it is made, at least 128 MiB; an existing one keeps its own.
    public let sizeBytes: Int64
    /// Where it is mounted.
    public let mountPoint: String

    private static let label = "berth"
    private static let limit = Duration.seconds(120)

    /// An image that may or may not exist yet.
    public init(path: String, sizeBytes: Int64, mountPoint: String) {
        self.path = path
        self.sizeBytes = sizeBytes
        self.mountPoint = mountPoint
    }

    /// Makes the image if it is missing, attaches it, mounts it.
    ///
    /// - Throws: `BtrfsError`: `foreign` when the image is not ours or another file system is
    ///   mounted there; `noSpace`; `failed` with what a tool said. `PlatformError` when a tool is
    ///   not installed.
    public func mount() async throws -> BtrfsFilesystem {
        var status = stat()
        if unsafe stat(path, &status) != 0 {
            guard errno == ENOENT else { throw BtrfsError("look for \(path)", errno: errno) }
            try await make()
        }
        try verifyOurs()
        // With --nooverlap a device that has this file already is used again.
        let device = try await tool(
            "losetup", ["--find", "--show", "--nooverlap", "--", path]
        ).filter { !$0.isNewline }
        do {
            return try BtrfsMount.mount(device: device, at: mountPoint)
        } catch {
            // The first error tells; a device that somebody else uses stays attached anyway.
            if try !isMounted(device) { _ = try? await tool("losetup", ["--detach", device]) }
            throw error
        }
    }

    /// Unmounts and detaches it, as far as it is not; the image stays.
    ///
    /// - Throws: `BtrfsError`: `busy` while a process uses it; `foreign` when something else is
    ///   mounted there.
    public func unmount() async throws {
        guard BtrfsMount.absolute(path) != nil else { return }
        let devices = try await attachedDevices()
        if let directory = BtrfsMount.absolute(mountPoint),
            let entry = try MountTable.entry(at: directory)
        {
            guard devices.contains(entry.source) else {
                throw BtrfsError(
                    code: .foreign,
                    message: "unmount \(path): \(entry.source) is mounted at \(directory)")
            }
            try BtrfsMount.unmount(directory)
        }
        for device in devices where try !isMounted(device) {
            do {
                _ = try await tool("losetup", ["--detach", device])
            } catch {
                // One that was to be detached with its last user is gone already.
                if try await attachedDevices().contains(device) { throw error }
            }
        }
    }

    /// The loop devices that have this image.
    private func attachedDevices() async throws -> [String] {
        let text = try await tool(
            "losetup", ["--associated", path, "--noheadings", "--output", "NAME"])
        return text.split(separator: "\n").map { $0.filter { $0 != " " } }
    }

    private func isMounted(_ device: String) throws -> Bool {
        try MountTable.entries().contains { $0.source == device }
    }

    /// A whole image appears under its name only when it is formatted.
    private func make() async throws {
        guard sizeBytes >= 128 << 20 else {
            throw BtrfsError(
                code: .failed, message: "make \(path): an image needs at least 128 MiB")
        }
        let temporary = path + "." + Random.hex(bytes: 6) + ".tmp"
        do {
            let file = try Descriptor(opening: temporary, flags: O_RDWR | O_CREAT | O_EXCL)
            try file.withNumber { number in
                try btrfsCall("size \(path)") { ftruncate(number, Int(sizeBytes)) }
            }
            _ = try await tool("mkfs.btrfs", ["--quiet", "--label", Self.label, "--", temporary])
            try file.withNumber { number in
                try btrfsCall("fsync \(path)") { fsync(number) }
            }
            try btrfsCall("name \(path)") { unsafe link(temporary, path) }
            unsafe unlink(temporary)
        } catch {
            unsafe unlink(temporary)
            throw error
        }
        try DurableFile.syncDirectory(of: path)
    }

    /// Reads the superblock at 64 KiB: magic at 0x40 in it, label at 0x12b.
    private func verifyOurs() throws {
        let file = try Descriptor(opening: path, flags: O_RDONLY)
        var block = [UInt8](repeating: 0, count: 4096)
        let got = file.withNumber { unsafe pread($0, &block, block.count, 65536) }
        let magic = Array("_BHRfS_M".utf8)
        let label = Array(Self.label.utf8) + [0]
        guard got == block.count, Array(block[0x40..<0x48]) == magic,
            Array(block[0x12b...].prefix(label.count)) == label
        else {
            throw BtrfsError(
                code: .foreign, message: "\(path) exists and is not an image made by this program")
        }
    }

    private func tool(_ program: String, _ arguments: [String]) async throws -> String {
        let result = try await ChildProcess.run(program, arguments, deadline: Self.limit)
        guard result.isSuccess else {
            throw BtrfsError(
                code: result.errorText.contains("No space left") ? .noSpace : .failed,
                message: "\(program) ended with \(result.exit): \(result.errorText.oneLine)")
        }
        return result.text
    }
}

extension String {
    fileprivate var oneLine: String {
        split(whereSeparator: \.isNewline).joined(separator: "; ")
    }
}
