import Platform
import Shared
import Testing

/// A move with a fault after each of its steps ends in the same state every time: the project on
/// the target, whole, running, and nothing of it left on the source.
@Suite("A move with a fault after each step", .serialized)
struct MoveFaultTests {
    /// The phases that a move of a running project goes through; it waits in each but the copies,
    /// of which there are none.
    fileprivate static let phases = ["backup", "stop", "final-backup", "stage", "start", "retire"]

    @Test(
        "killing a process in a phase changes nothing of the end", .timeLimit(.minutes(3)),
        arguments: ["hub", "source", "target"])
    func killed(victim: String) async throws {
        try await Self.move(killing: victim, in: Self.phases)
    }

    @Test(
        "a hub that is away for longer than a lease in a phase changes nothing of the end",
        .timeLimit(.minutes(3)))
    func away() async throws {
        try await Self.move(
            killing: "hub", in: ["stop", "final-backup", "stage", "start"],
            awayFor: .milliseconds(4500))
    }

    /// Moves a running project from host to host, once for each phase.
    private static func move(
        killing victim: String, in phases: [String], awayFor absence: Duration = .zero
    ) async throws {
        try await Fleet.run(hosts: 2) { fleet in
            let corpus = try await fleet.makeCorpus(bigMebibytes: 2, isSmall: true)
            try await fleet.done(
                "project", "create", "thesis", "--host", "host-1", "--stop-grace", "2s", "--",
                "sh", "-c",
                "touch diary; n=$(wc -l < diary); while :; do n=$((n+1)); echo $n >> diary; sleep 0.02; done"
            )
            try await fleet.done(
                "project", "import", "thesis", corpus, "--to", "corpus", "--faithful")
            try await fleet.done("project", "start", "thesis")
            let original = try await fleet.listing(
                try await fleet.volume("thesis", on: "host-1") + "/corpus")
            var (source, target) = ("host-1", "host-2")
            for phase in phases {
                let process = victim == "hub" ? "hub" : victim == "source" ? source : target
                try await fleet.moveKilling(
                    process, in: phase, to: target, awayFor: absence)
                try await fleet.expectMoved(from: source, to: target, original.inner)
                swap(&source, &target)
            }
            try await fleet.expectNothingHalfDone(on: ["host-1", "host-2"])
        }
    }
}

extension Fleet {
    /// Moves the project and kills a process once the move has reached the phase, or is past it.
    fileprivate func moveKilling(
        _ process: String, in phase: String, to target: String, awayFor absence: Duration
    ) async throws {
        let id = try await done("project", "move", "thesis", "--to", target, "--yes", "--detach")
            .trimmed
        // Asked where it is decided, without a program's start in between: phases are short.
        _ = try await query(
            """
            do $$ begin
                while not exists (
                    select from operation_workflow w join operations o on o.id = w.operation
                    where o.id = (select id from operations where kind = 'move'
                            order by created_at desc limit 1)
                        and w.phase in (\(Self.from(phase)))
                ) loop
                    perform pg_sleep(0.002);
                end loop;
            end $$
            """)
        try await kill(process)
        // How long it is away is what is tested.
        try await Task.sleep(for: absence)
        if process == "hub" {
            try await startHub()
        } else {
            try await startAgent(process)
        }
        let ended = try await berth("operation", "wait", id, "--timeout", "90s")
        #expect(ended.isSuccess, "killed \(process) in \(phase): \(ended.errorText)")
    }

    /// A phase and all that follow it.
    private static func from(_ phase: String) -> String {
        MoveFaultTests.phases.drop { $0 != phase }.map { "'\($0)'" }.joined(separator: ", ")
    }

    /// The end state of every move.
    fileprivate func expectMoved(from source: String, to target: String, _ original: String)
        async throws
    {
        let project = try await document("project", "show", "thesis")
        #expect(project["hostName"]?.text == target)
        let volume = try await self.volume("thesis", on: target)
        #expect(try await listing(volume + "/corpus").inner == original)
        try await shell("awk '$1 != NR { exit 1 }' '\(volume)/diary'")
        let before = try await lines(volume + "/diary")
        try await eventually("the diary going on at \(target)") {
            try await lines(volume + "/diary") > before
        }
        try await eventually("nothing being left on \(source)") {
            let left = try await shell(
                "ls '\(path("\(source)/btrfs/projects"))' '\(path("\(source)/btrfs/staging"))' "
                    + "'\(path("\(target)/btrfs/staging"))' | grep -c project_ || true")
            return left.trimmed == "0"
        }
    }
}
