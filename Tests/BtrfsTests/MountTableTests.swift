import Platform
import Testing

@testable import Btrfs

@Suite("Mount table")
struct MountTableTests {
    @Test("optional fields, escapes and the last of several mounts are understood")
    func parses() {
        let text = #"""
            22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
            36 22 0:40 / /mnt/a\040b\134c rw,noatime master:1 shared:2 - btrfs /dev/loop3 rw,space_cache
            37 22 0:41 /sub /mnt/x rw - btrfs /dev/loop4 rw
            nonsense
            """#
        let entries = MountTable.parse(text)
        #expect(entries.map(\.mountPoint) == ["/", #"/mnt/a b\c"#, "/mnt/x"])
        #expect(entries.map(\.kind) == ["ext4", "btrfs", "btrfs"])
        #expect(entries[1].source == "/dev/loop3")
        #expect(entries[1].options == ["rw", "noatime"])
        #expect(entries[2].root == "/sub")
    }

    @Test("this machine's own table has /proc")
    func own() throws {
        #expect(try MountTable.entry(at: "/proc")?.kind == "proc")
    }

    @Test("a UUID's text is read back, and nothing else is a UUID", arguments: ["", "x", "0-0"])
    func uuids(wrong: String) {
        #expect(BtrfsUUID(wrong) == nil)
        let uuid = BtrfsUUID(bytes: 0..<16)
        #expect("\(uuid)" == "00010203-0405-0607-0809-0a0b0c0d0e0f")
        #expect(BtrfsUUID("\(uuid)") == uuid)
        #expect(BtrfsUUID(bytes: [UInt8](repeating: 0, count: 16)).isZero)
    }
}
