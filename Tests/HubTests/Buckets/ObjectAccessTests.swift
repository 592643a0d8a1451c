import ObjectStore
import Shared
import Testing

@testable import Hub

@Suite("ObjectAccess")
struct ObjectAccessTests {
    @Test(
        "a host reads what backups are made of, and never keys or locks",
        arguments: [
            ("config", true), ("data/ab/abcd", true), ("index/ab", true), ("snapshots/ab", true),
            ("keys/ab", false), ("locks/ab", false), ("other", false),
        ])
    func reads(name: String, isAllowed: Bool) throws {
        #expect(ObjectAccess.mayRead(try ObjectName(name)) == isAllowed)
    }

    @Test("a host writes packs only, named by their hash, and only for a backup")
    func writes() throws {
        let hash = String(repeating: "ab", count: 32)
        let pack = try ObjectName("data/ab/\(hash)")
        #expect(
            ObjectAccess.packHash(pack, kind: .volumeBackup)
                == [UInt8](repeating: 0xAB, count: 32))
        #expect(ObjectAccess.packHash(pack, kind: .volumeRestore) == nil)
        for wrong in ["data/cd/\(hash)", "index/\(hash)", "data/ab/abcd", "config", "data/\(hash)"]
        {
            #expect(ObjectAccess.packHash(try ObjectName(wrong), kind: .volumeBackup) == nil)
        }
    }
}
