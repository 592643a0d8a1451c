import Platform
import Shared
import Testing

/// The database is restored from a dump that is older than what hosts have seen.
@Suite("A hub whose database went back in time", .serialized)
struct HistoryTests {
    @Test(
        "the fleet comes back: what hosts hold decides, nothing is deleted, orders are obeyed",
        .timeLimit(.minutes(4)))
    func restoredFromOlderDump() async throws {
        try await Fleet.run(hosts: 2) { fleet in
            try await fleet.done("project", "create", "thesis", "--host", "host-1")
            try await fleet.done("project", "start", "thesis")
            try await fleet.done("project", "create", "stays", "--host", "host-1")
            try await fleet.done("project", "start", "stays")
            let early = try await fleet.volume("thesis", on: "host-1")
            try await fleet.shell("echo one >'\(early)/chapter'")
            try await fleet.done("backup", "create", "thesis")
            try await fleet.dumpDatabase()

            // All of this is what the dump does not know.
            let lost = try await fleet.done("project", "show", "thesis", "-o", "id").trimmed
            try await fleet.done("project", "move", "thesis", "--to", "host-2")
            let moved = try await fleet.volume("thesis", on: "host-2")
            try await fleet.shell("echo two >>'\(moved)/chapter'")
            try await fleet.done("backup", "create", "thesis")
            try await fleet.done("project", "create", "young", "--host", "host-1")
            try await fleet.done("project", "start", "young")
            let young = try await fleet.volume("young", on: "host-1")
            try await fleet.shell("echo mine >'\(young)/note'")
            for _ in 0..<20 { try await fleet.done("host", "check", "host-1") }
            let epochs = try await fleet.query("SELECT last_value FROM operation_epoch").trimmed
            let snapshots = try await fleet.snapshotFiles()

            try await fleet.stop("hub")
            try await fleet.restoreDatabase()
            try await fleet.startHub()

            // The volume on host-2 has a later generation than the registry knows of, and the one
            // on host-1 is gone.
            try await fleet.eventually("the move being found out") {
                let project = try await fleet.document("project", "show", "thesis")
                return project["hostName"]?.text == "host-2"
                    && project["provisioned"] == .bool(true)
            }
            for host in ["host-1", "host-2"] { try await fleet.waitUntilReady(host) }
            #expect(
                try await fleet.query("SELECT count(*) FROM host_recovery").trimmed == "0")
            let raised = try await fleet.query("SELECT last_value FROM operation_epoch").trimmed
            let (now, before) = (Int64(raised), Int64(epochs))
            #expect(try #require(now) >= #require(before))
            #expect(try await fleet.shell("cat '\(moved)/chapter'") == "one\ntwo\n")

            // Every kind of order is obeyed on both hosts.
            try await fleet.done("host", "check", "host-1")
            try await fleet.done("host", "check", "host-2")
            try await fleet.done("backup", "create", "thesis", "--timeout", "60s")
            try await fleet.done("project", "move", "thesis", "--to", "host-1", "--timeout", "90s")
            let back = try await fleet.volume("thesis", on: "host-1")
            #expect(try await fleet.shell("cat '\(back)/chapter'") == "one\ntwo\n")
            try await fleet.done("backup", "create", "stays", "--timeout", "60s")
            try await fleet.done("project", "create", "new", "--host", "host-1")
            try await fleet.done("project", "start", "new", "--timeout", "60s")

            // What the registry has never heard of is kept, and shown to people.
            #expect(try await fleet.shell("cat '\(young)/note'") == "mine\n")
            let kept = try await fleet.query(
                "SELECT count(*) FROM quarantined_volumes WHERE reason LIKE 'no project%'")
            #expect(kept.trimmed == "1")
            let left = try await fleet.snapshotFiles()
            #expect(snapshots.isSubset(of: left), "backups of \(lost) are gone")
            let log = try await fleet.shell("cat '\(fleet.path("host-1.log"))'")
            #expect(log.contains("The hub's database has a new history"))
        }
    }
}

extension Fleet {
    /// A shell in which the private cluster of the stopped hub runs, and `on_server` runs a program
    /// of PostgreSQL as its superuser.
    private func withCluster(_ lines: String, starts: Bool) async throws {
        let start = """
            run pg_ctl -w -D "$cluster" -l /dev/null \
                -o "-c listen_addresses= -c unix_socket_directories=$socket" start >/dev/null
            """
        try await shell(
            """
            set -e
            cluster='\(path("hub/postgres/cluster"))'; socket='\(path("hub/postgres/socket"))'
            bin=$(dirname "$(ls /usr/lib/postgresql/*/bin/pg_ctl | tail -n 1)")
            run() { program=$1; shift; setpriv --reuid postgres --regid postgres --clear-groups \
                "$bin/$program" "$@"; }
            cd /
            \(starts ? start : "")
            \(lines)
            \(starts ? "run pg_ctl -w -D \"$cluster\" stop >/dev/null" : "")
            """)
    }

    func dumpDatabase() async throws {
        try await withCluster(
            "run pg_dump -h \"$socket\" -Fc berth >'\(path("berth.dump"))'", starts: false)
    }

    func restoreDatabase() async throws {
        try await withCluster(
            """
            run dropdb -h "$socket" berth
            run createdb -h "$socket" berth
            run pg_restore -h "$socket" -d berth --exit-on-error <'\(path("berth.dump"))'
            """, starts: true)
    }

    /// The snapshot files in the hub's own bucket.
    func snapshotFiles() async throws -> Set<String> {
        let files = try await shell("find '\(path("hub/bucket"))' -path '*/snapshots/*' -type f")
        return Set(files.split(separator: "\n").map(String.init))
    }
}
