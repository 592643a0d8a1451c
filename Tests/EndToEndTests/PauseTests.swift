import Glibc
import Platform
import Shared
import Testing

/// Processes that are stopped for longer than their lease, and continued: what they did not hear of
/// meanwhile they must not act upon.
@Suite("SIGSTOP beyond the lease", .serialized)
struct PauseTests {
    /// As `Fleet` sets it.
    private static let leaseSeconds = 3.0

    @Test(
        "an agent changes nothing of what was taken back from it, and every operation ends",
        .timeLimit(.minutes(4)))
    func agent() async throws {
        try await Fleet.run(hosts: 1) { fleet in
            let volume = try await fleet.startedProject()
            try await fleet.done("backup", "create", "thesis")
            for round in 1...2 {
                try await fleet.shell("head -c 60000000 /dev/urandom >'\(volume)/noise-\(round)'")
                let id = try await fleet.done("backup", "create", "thesis", "--detach").trimmed
                try await fleet.eventually("the backup's begin") {
                    try await fleet.running("volume.backup") == 1
                }
                let stopped = try await fleet.clock()
                try fleet.signal("host-1", SIGSTOP)
                try await fleet.eventually("the lease being taken back") {
                    try await fleet.running("volume.backup") == 0
                }
                // Beyond the lease, whatever it does when it goes on.
                try await Task.sleep(for: .seconds(2))
                let continued = try await fleet.clock()
                try fleet.signal("host-1", SIGCONT)
                try await fleet.done("operation", "wait", id, "--timeout", "90s")
                let leases = try await fleet.leases(of: id)
                // While the old run has not stopped, a new lease is left alone and taken back.
                let endings = leases.map(\.ending)
                #expect(endings.first == "lease-lost" && endings.last == "succeeded")
                #expect(
                    endings.dropFirst().dropLast().allSatisfy { $0 == "released" },
                    "round \(round): \(endings)")
                let (lost, second) = (try #require(leases.first), try #require(leases.last))
                #expect(second.epoch > lost.epoch)
                #expect(lost.end - stopped < Self.leaseSeconds + 2)
                #expect(second.begin - continued < Self.leaseSeconds + 2)
                // What it reported under the old lease, if anything, was not taken.
                #expect(try await fleet.backups(of: "thesis") == 1 + round)
            }
            try await fleet.expectNothingHalfDone(on: ["host-1"])
            try await fleet.expectSoundRepository(of: "thesis")
        }
    }

    @Test(
        "a hub goes on with what is still its own, and every operation ends",
        .timeLimit(.minutes(4)))
    func hub() async throws {
        try await Fleet.run(hosts: 2) { fleet in
            let volume = try await fleet.startedProject()
            try await fleet.shell("head -c 20000000 /dev/urandom >'\(volume)/noise'")
            let id = try await fleet.done("project", "move", "thesis", "--to", "host-2", "--detach")
                .trimmed
            for delay in [300, 900] {
                // The moment is what is tested.
                try await Task.sleep(for: .milliseconds(delay))
                try fleet.signal("hub", SIGSTOP)
                try await Task.sleep(for: .seconds(Self.leaseSeconds + 2))
                try fleet.signal("hub", SIGCONT)
            }
            try await fleet.done("operation", "wait", id, "--timeout", "90s")
            #expect(
                try await fleet.document("project", "show", "thesis")["hostName"]?.text == "host-2")
            let epochs = try await fleet.query(
                """
                select count(*) from operation_leases a join operation_leases b using (operation)
                where a.epoch < b.epoch and a.ended_at > b.started_at
                """)
            #expect(epochs == "0", "a lease began before the one before it had ended")
            try await fleet.expectNothingHalfDone(on: ["host-1", "host-2"])
            try await fleet.expectSoundRepository(of: "thesis")
        }
    }

    @Test(
        "an agent that is started again ends what its earlier run held at once, and goes on with it",
        .timeLimit(.minutes(4)))
    func restarted() async throws {
        try await Fleet.run(hosts: 1) { fleet in
            let volume = try await fleet.startedProject()
            try await fleet.shell("head -c 60000000 /dev/urandom >'\(volume)/noise'")
            let id = try await fleet.done("backup", "create", "thesis", "--detach").trimmed
            try await fleet.eventually("the backup's begin") {
                try await fleet.running("volume.backup") == 1
            }
            try await fleet.kill("host-1")
            try await fleet.startAgent("host-1")
            try await fleet.done("operation", "wait", id, "--timeout", "90s")
            let leases = try await fleet.leases(of: id)
            #expect(leases.map(\.ending) == ["lease-lost", "succeeded"])
            let (lost, second) = (try #require(leases.first), try #require(leases.last))
            // From the new session, which ends the old one's leases, to the next lease of the work.
            #expect(second.begin - lost.end < 1, "\(second.begin - lost.end) s")
            let opened = try await fleet.query(
                "select max(extract(epoch from started_at)) from sessions where host is not null")
            #expect(second.begin - (try #require(Double(opened))) < 1)
            try await fleet.expectNothingHalfDone(on: ["host-1"])
        }
    }
}

/// A lease that has ended, by the database's clock.
private struct PastLease {
    var ending: String
    var epoch: Int64
    /// Seconds since 1970.
    var begin: Double
    var end: Double
}

extension Fleet {
    /// How many operations of a kind somebody works on.
    fileprivate func running(_ kind: String) async throws -> Int {
        let count = try await query(
            """
            select count(*) from operation_run r join operations o on o.id = r.operation
            where o.kind = '\(kind)'
            """)
        return Int(count) ?? -1
    }

    /// Seconds since 1970 by the database's clock.
    fileprivate func clock() async throws -> Double {
        try #require(Double(try await query("select extract(epoch from clock_timestamp())")))
    }

    /// The leases of the host's part of a backup.
    fileprivate func leases(of operation: String) async throws -> [PastLease] {
        let shown = try await document("operation", "show", operation)
        guard case .array(let children)? = shown["children"],
            let child = children.first?.text
        else { return [] }
        let part = try await document("operation", "show", child)
        guard case .array(let attempts)? = part["attempts"] else { return [] }
        var leases: [PastLease] = []
        for attempt in attempts {
            guard case .integer(let epoch)? = attempt["epoch"] else { continue }
            let times = try await query(
                """
                select extract(epoch from started_at) || ' ' || extract(epoch from ended_at)
                from operation_leases where epoch = \(epoch)
                """
            ).split(separator: " ").compactMap { Double($0) }
            try #require(times.count == 2)
            leases.append(
                PastLease(
                    ending: attempt["end"]?.text ?? "", epoch: epoch, begin: times[0],
                    end: times[1]))
        }
        return leases
    }

    fileprivate func backups(of project: String) async throws -> Int {
        let count = try await query(
            """
            select count(*) from backups b join projects p on p.id = b.project
            where p.name = '\(project)' and b.forgotten_at is null
            """)
        return Int(count) ?? -1
    }
}
