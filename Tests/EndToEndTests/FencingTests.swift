import Platform
import Shared
import Testing

/// What a host has seen it does not forget, and what it keeps of an operation goes with it.
@Suite("Leases, guards and what they leave on a host", .serialized)
struct FencingTests {
    @Test(
        "a lease that is older than a guard is left alone by a real agent", .timeLimit(.minutes(3)))
    func guards() async throws {
        try await Fleet.run(hosts: 1) { fleet in
            _ = try await fleet.startedProject()
            try await fleet.done("backup", "create", "thesis")
            try await fleet.done("backup", "restore", "thesis", "--yes")
            let ledger = fleet.path("host-1/ledger.sqlite")
            let seen = try await fleet.shell(
                """
                python3 -c 'import sqlite3, sys
                db = sqlite3.connect("file:" + sys.argv[1] + "?mode=ro", uri=True)
                print(db.execute("select max(epoch) from guards").fetchone()[0])' '\(ledger)'
                """
            ).trimmed
            let highest = try #require(Int64(seen))
            #expect(highest > 1)
            // The hub's epochs go back, as after its database was restored from an older dump; the
            // order takes one lease of the hub and then of the host, which are too old at first.
            try await fleet.restartAgent("host-1")
            _ = try await fleet.query("select setval('operation_epoch', \(highest - 7))")
            let id = try await fleet.done("backup", "create", "thesis", "--detach").trimmed
            try await fleet.done("operation", "wait", id, "--timeout", "90s")
            let ends = try await fleet.query(
                """
                select a.ending, a.epoch >= \(highest) from operation_leases a
                join operations o on o.id = a.operation
                where o.kind = 'volume.backup' order by o.created_at, a.epoch
                """
            ).split(separator: "\n").map(String.init)
            #expect(ends.last == "succeeded|t")
            #expect(ends.contains("released|f"), "\(ends)")
            #expect(!ends.dropFirst().contains("succeeded|f"), "\(ends)")
        }
    }

    @Test("what a canceled backup left on its host goes away", .timeLimit(.minutes(3)))
    func leftovers() async throws {
        try await Fleet.run(hosts: 1) { fleet in
            let volume = try await fleet.startedProject()
            try await fleet.done("backup", "create", "thesis")
            let bucket = fleet.path("hub/bucket")
            try await fleet.shell("mv '\(bucket)' '\(bucket).away'; echo more >'\(volume)/more'")
            let id = try await fleet.done("backup", "create", "thesis", "--detach").trimmed
            try await fleet.sayWhyItWaits(id, "bucket")
            let bases = fleet.path("host-1/btrfs/base")
            #expect(try await fleet.shell("ls '\(bases)' | grep -c -e -next").trimmed == "1")
            try await fleet.done("operation", "cancel", id)
            let ended = try await fleet.berth("operation", "wait", id, "--timeout", "30s")
            #expect(ended.exit == .code(9), "\(ended.errorText)")
            try await fleet.eventually("nothing being left of it", within: .seconds(30)) {
                try await !fleet.shell("ls '\(bases)'").contains("-next")
            }
            try await fleet.shell("mv '\(bucket).away' '\(bucket)'")
            try await fleet.done("backup", "create", "thesis")
            try await fleet.expectNothingHalfDone(on: ["host-1"])
        }
    }
}

extension Fleet {
    /// Kills an agent and starts it again.
    fileprivate func restartAgent(_ host: String) async throws {
        try await kill(host)
        try await startAgent(host)
        try await waitUntilReady(host)
    }
}
