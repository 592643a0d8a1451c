import Platform
import Testing

/// Processes that are killed at any moment: work ends as if nothing had happened.
@Suite("SIGKILL at random moments", .serialized)
struct KillTests {
    /// Kills of agents and hubs; the seed makes a failure repeatable.
    private static let seed: UInt64 = 20_261_120

    @Test(
        "backups, restores and copies of a killed agent or hub succeed, once",
        .timeLimit(.minutes(4)))
    func killed() async throws {
        try await Fleet.run(hosts: 1) { fleet in
            var delays = SeededDelays(seed: Self.seed)
            let corpus = try await fleet.makeCorpus(bigMebibytes: 2, isSmall: true)
            try await fleet.done("project", "create", "thesis", "--host", "host-1")
            try await fleet.done("project", "create", "pupil", "--host", "host-1")
            try await fleet.done("project", "start", "pupil")
            try await fleet.done(
                "project", "import", "thesis", corpus, "--to", "corpus", "--faithful")
            let volume = try await fleet.volume("thesis", on: "host-1")
            let original = try await fleet.listing(volume + "/corpus")
            let first = try await fleet.done("backup", "create", "thesis", "-o", "id").trimmed

            for (round, victim) in ["host-1", "host-1", "hub", "hub"].enumerated() {
                try await fleet.shell("head -c 6000000 /dev/urandom >'\(volume)/noise-\(round)'")
                try await fleet.survive(
                    killing: victim, after: delays.next(),
                    ["backup", "create", "thesis", "--detach"])
                try await fleet.survive(
                    killing: victim, after: delays.next(),
                    [
                        "copy", "create", "thesis", "corpus/awkward", "--to",
                        "pupil:round-\(round)", "--detach",
                    ])
                try await fleet.survive(
                    killing: victim, after: delays.next(),
                    [
                        "backup", "restore", "thesis", "--backup", first, "--yes", "--detach",
                    ])
                #expect(
                    try await fleet.listing(volume + "/corpus").inner == original.inner,
                    "the restore of round \(round)")
            }
            let pupil = try await fleet.volume("pupil", on: "host-1")
            #expect(
                try await fleet.shell("ls '\(pupil)'").trimmed
                    == "round-0\nround-1\nround-2\nround-3")
            try await fleet.expectNothingHalfDone(on: ["host-1"])
            try await fleet.expectSoundRepository(of: "thesis")
        }
    }
}

/// Delays between nothing and a second and a half.
private struct SeededDelays {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    /// SplitMix64.
    mutating func next() -> Duration {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        mixed ^= mixed >> 31
        return .milliseconds(Int64(mixed % 1500))
    }
}

extension Fleet {
    /// Begins an operation, kills a process after a delay, starts it again and waits for the
    /// operation's success.
    fileprivate func survive(
        killing victim: String, after delay: Duration, _ arguments: [String]
    ) async throws {
        let begun = try await berth(arguments)
        #expect(begun.isSuccess, "\(arguments): \(begun.errorText)")
        let id = begun.text.trimmed
        // The delay is what is tested.
        try await Task.sleep(for: delay)
        try await kill(victim)
        if victim == "hub" { try await startHub() } else { try await startAgent(victim) }
        let ended = try await berth("operation", "wait", id, "--timeout", "60s")
        #expect(
            ended.isSuccess, "\(victim) killed after \(delay) in \(arguments): \(ended.errorText)")
    }

    /// No operation is left open or has two states, and nothing is held or in staging.
    func expectNothingHalfDone(on hosts: [String]) async throws {
        try await eventually("every operation having ended", within: .seconds(20)) {
            try await query(
                """
                select count(*) from operations o
                where (select count(*) from operation_states s where s.operation = o.id) <> 1
                    or not exists (select from operation_end e where e.operation = o.id)
                """) == "0"
        }
        #expect(try await query("select * from guards") == "")
        #expect(try await query("select * from slots where operation is not null") == "")
        #expect(try await query("select * from pins where reason not in ('base')") == "")
        for host in hosts {
            let left = try await shell(
                "ls '\(path("\(host)/btrfs/staging"))'; "
                    + "ls '\(path("\(host)/btrfs/base"))' | grep -e -next || true")
            #expect(left.isEmpty, "left on \(host): \(left)")
        }
    }

    /// Stock restic finds nothing wrong with all that a project's repository holds.
    func expectSoundRepository(of project: String) async throws {
        let password = path("password-\(project)")
        let exported = try await done("backup", "export-key", project, "--password-file", password)
        let line = exported.split(separator: "\n").first { $0.contains("RESTIC_REPOSITORY=") }
        let repository = try #require(line).drop { $0 != "=" }.dropFirst()
        let check = try await ChildProcess.run(
            "bash",
            [
                "-c",
                "restic --no-cache -r \(repository) --password-file '\(password)' "
                    + "check --no-lock --read-data",
            ], deadline: .seconds(90))
        #expect(check.isSuccess, "\(check.text) \(check.errorText)")
    }
}
