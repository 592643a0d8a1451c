import Btrfs
import Platform
import Testing

@testable import HostAgent

extension HostTests {
    /// Each guard of the detection stands for a trap that was measured.
    ///
    /// A history walks into it: with all guards on every backup is right, and with that one off the
    /// oracle says so.
    @Suite("Without a guard a change is missed", .timeLimit(.minutes(5)))
    struct GuardMutationTests {
        enum Guard: String, CaseIterable, CustomTestStringConvertible {
            case lineage, leaves, pristineBase, boundary, extents, identity

            var testDescription: String { rawValue }

            var option: DetectionGuards {
                switch self {
                case .lineage: .lineage
                case .leaves: .leaves
                case .pristineBase: .pristineBase
                case .boundary: .boundary
                case .extents: .extents
                case .identity: .identity
                }
            }
        }

        @Test("of each of the six", arguments: Guard.allCases)
        func mutation(guardOff: Guard) async throws {
            #expect(try await Self.finding(guardOff, guards: .all) == nil)
            let finding = try await Self.finding(
                guardOff, guards: DetectionGuards.all.subtracting(guardOff.option))
            #expect(finding != nil, "nothing was noticed without \(guardOff)")
        }

        /// What the oracle has to say of the history that is a trap for a guard; nil where nothing.
        private static func finding(
            _ trap: Guard, guards: DetectionGuards
        ) async throws -> String? {
            let found = Locked(String?.none)
            try await OracleVolume.with(guards: guards) { volume in
                try await volume.shell(HistoryGenerator.beginning)
                try await volume.shell(beginning)
                try await volume.fullBackup()
                do {
                    try await play(trap, volume)
                    let reason = try await volume.backup().reason
                    // Reading everything because the base is not what it was is no finding.
                    if let reason, !(trap == .pristineBase && reason.code == "base-changed") {
                        found.withLock { $0 = "\(reason)" }
                    }
                } catch let mismatch as OracleVolume.Mismatch {
                    found.withLock { $0 = mismatch.description }
                }
            }
            return found.withLock { $0 }
        }

        private static let beginning = """
            seq 1 30000 > one; seq 30001 60000 > two; seq 1 30000 > three; sync
            """

        private static func play(_ trap: Guard, _ volume: OracleVolume) async throws {
            switch trap {
            case .lineage:
                // Put back from a snapshot, the file has old content with an old number.
                try await volume.happen(.rollback)
                try await volume.shell("echo later > f1")
                try await volume.backup()
                try await volume.happen(.rollback)
            case .leaves:
                // What Linux 951555856b88 is about: content changed, the inode's item did not.
                try await volume.shell(
                    "printf X | dd of=one bs=1 seek=9000 conv=notrunc; sync")
                try await volume.makeInodeOld("one")
            case .pristineBase:
                // The base gets the very extents that the volume has now.
                try await volume.shell("printf X | dd of=one bs=1 seek=9000 conv=notrunc; sync")
                try Subvolume(at: volume.base).setReadOnly(false)
                try await volume.shell(
                    "cat one > copy; cp --reflink=always ../live/one one; rm -f copy; sync",
                    in: volume.base)
                try Subvolume(at: volume.base).setReadOnly(true)
            case .boundary:
                // A snapshot of the base raises its generation, above that of the change.
                try await volume.shell("echo more >> one; sync")
                try await volume.happen(.snapshotOfBase)
            case .extents:
                // Old extents in another place, and a hole, which has no extent.
                try await volume.shell(
                    "xclone two one 0 8192 8192; fallocate -p -o 4096 -l 8192 three")
            case .identity:
                // The numbers of subvolumes and inodes overlap.
                try await volume.shell("btrfs subvolume create d/inside; echo more >> f1")
            }
        }
    }
}

extension OracleVolume {
    /// Gives the inode item of a file of the live volume an old transaction number, on the disk, as
    /// a failed update of the inode leaves it.
    func makeInodeOld(_ name: String) async throws {
        let number = try await text("stat -c %i '\(name)'")
        let subvolume = try Subvolume(at: live).info().id
        try await offline { image in
            let result = try await ChildProcess.run(
                "/usr/bin/python3", ["-c", Self.patch, image, "\(subvolume)", number],
                deadline: .seconds(120))
            guard result.isSuccess else { throw Mismatch(description: result.errorText) }
        }
    }

    /// Every copy of the newest leaf with the inode's item: struct btrfs_header (101 bytes), then
    /// items of 25 bytes with key, offset and size; the checksum is CRC-32C of all behind it.
    private static let patch = """
        import struct, sys
        path, owner, inode = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
        table = []
        for byte in range(256):
            for _ in range(8):
                byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
            table.append(byte)
        def crc(data):
            value = 0xFFFFFFFF
            for byte in data:
                value = table[(value ^ byte) & 255] ^ value >> 8
            return value ^ 0xFFFFFFFF
        found = []
        with open(path, "r+b") as image:
            image.seek(65536)
            super_block = image.read(4096)
            fsid, size = super_block[32:48], struct.unpack_from("<I", super_block, 148)[0]
            end = image.seek(0, 2)
            for place in range(0, end - size, 4096):
                image.seek(place)
                head = image.read(101)
                if head[32:48] != fsid or head[100] != 0:
                    continue
                generation, tree, count = struct.unpack_from("<QQI", head, 80)
                if tree != owner or place == 65536:
                    continue
                image.seek(place)
                leaf = bytearray(image.read(size))
                for index in range(min(count, size // 25 - 5)):
                    number, kind, _, offset, _ = struct.unpack_from("<QBQII", leaf, 101 + 25 * index)
                    if (number, kind) == (inode, 1):
                        found.append((generation, place, leaf, 101 + offset))
            newest = max(item[0] for item in found)
            for generation, place, leaf, item in found:
                if generation == newest:
                    struct.pack_into("<Q", leaf, item + 8, 1)
                    struct.pack_into("<I", leaf, 0, crc(leaf[32:]))
                    image.seek(place)
                    image.write(leaf)
        """
}
