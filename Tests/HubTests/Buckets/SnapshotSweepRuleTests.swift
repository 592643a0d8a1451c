import Repository
import Shared
import Testing

@testable import Hub

@Suite("A snapshot file that no backup is recorded for")
struct SnapshotSweepRuleTests {
    private static let project = ProjectID(uuid: "0190a0b0-0000-7000-8000-000000000001")

    private func rule(began: Timestamp? = nil) throws -> SnapshotSweepRule {
        SnapshotSweepRule(
            project: try #require(Self.project), live: ["live"], forgotten: ["forgotten"],
            making: ["backup-making"], ended: ["backup-ended"], historyBegan: began)
    }

    private func file(
        _ backup: String, hostname: String? = nil, program: String = "berth 1", seconds: Int64 = 5
    ) throws -> SnapshotFile {
        let project = try #require(Self.project)
        var file = SnapshotFile(
            time: NodeTime(seconds: seconds),
            tree: try #require(BlobID(bytes: [UInt8](repeating: 1, count: 32))), paths: ["/"],
            hostname: hostname ?? "\(project)")
        file.tags = [backup]
        file.programVersion = program
        return file
    }

    @Test("goes where this database knows that its backup was given up")
    func goes() throws {
        #expect(try rule().removes("x", try file("backup-ended")))
        #expect(try rule().removes("forgotten", try file("backup-unknown")))
    }

    @Test("stays where the database was restored from a dump that is older than the backup")
    func unknown() throws {
        #expect(try !rule().removes("x", try file("backup-unknown")))
        let began = Timestamp(milliseconds: 1_000_000)
        #expect(try !rule(began: began).removes("x", try file("backup-ended", seconds: 900)))
        #expect(try rule(began: began).removes("x", try file("backup-ended", seconds: 9000)))
    }

    @Test("stays where it is recorded, in the making, or somebody else's")
    func others() throws {
        #expect(try !rule().removes("live", try file("backup-ended")))
        #expect(try !rule().removes("x", try file("backup-making")))
        #expect(try !rule().removes("x", try file("backup-ended", hostname: "laptop")))
        #expect(try !rule().removes("x", try file("backup-ended", program: "restic 0.14")))
    }
}
