import Glibc
import Platform
import S3TestSupport
import Shared
import Testing

/// `make soak-s3` commits every fault at every request (`BERTH_SOAK=1`); `BERTH_SOAK=7` at every
/// seventh one.
private let soakStride = unsafe getenv("BERTH_SOAK").flatMap { unsafe Int(String(cString: $0)) }

/// A project's backups and restores while one request to their bucket meets a fault: they end well
/// or fail by name, what is acknowledged restores, nothing hangs, and no memory is filled.
@Suite("Backups and restores while a bucket misbehaves")
struct BucketFaultTests {
    /// In tests built for debugging; both programs take about 45 MiB.
    private static let memoryLimitMebibytes = 128

    @Test(
        "A fault of every kind, at requests drawn by a seed", .enabled(if: soakStride == nil),
        .timeLimit(.minutes(6)))
    func sample() async throws {
        let seed = unsafe getenv("BERTH_SEED").flatMap { unsafe UInt64(String(cString: $0)) } ?? 3
        try await FaultedProject.run { project in
            var random = FaultRandom(seed: seed)
            let sizes = await (project.backupSize, project.restoreSize)
            for fault in Fault.all {
                let aim = random.aim(fault, in: sizes.0)
                try await project.backUp(aim)
                // A stall takes half a minute: of restores only in the soak.
                if fault == .stall { continue }
                try await project.restore(random.aim(fault, in: sizes.1))
            }
            let (acknowledged, failures) = await (project.acknowledged, project.failures)
            #expect(acknowledged >= Fault.all.count - 4, "seed \(seed): \(failures)")
            try await project.judge(memoryLimitMebibytes: Self.memoryLimitMebibytes)
        }
    }

    /// Faults that are committed by one fleet, one after another; fleets run side by side.
    struct Soak: Sendable, CustomTestStringConvertible {
        let kind: S3Server.Kind
        let faults: [Fault]
        /// At every request, or every second one.
        var stride = 1

        var testDescription: String { "\(kind): \(faults.count) kinds" }

        private static let quick = Fault.all.filter { $0 != .stall }
        static let all = [
            Soak(kind: .rclone, faults: [.stall]), Soak(kind: .rclone, faults: quick),
            // With conditional PUTs, which rclone has not.
            Soak(kind: .moto, faults: quick, stride: 2),
        ]
    }

    @Test(
        "Every fault at every request", .enabled(if: soakStride != nil), .timeLimit(.minutes(240)),
        arguments: Soak.all)
    func every(soak: Soak) async throws {
        let stride = max(1, soakStride ?? 1) * soak.stride
        try await FaultedProject.run(soak.kind) { project in
            for fault in soak.faults {
                var number = 1
                while try await project.backUp(FaultAim(fault: fault, number: number)) {
                    number += stride
                }
                var next = 1
                while try await project.restore(FaultAim(fault: fault, number: next)) {
                    next += stride
                }
                print("\(fault): backups at \(number - 1) requests, restores at \(next - 1)")
                // Not every backup lists anything.
                #expect((number > 1 || fault.isOfListings) && next > 1, "\(fault) was met")
                try await project.judge(memoryLimitMebibytes: Self.memoryLimitMebibytes)
                // Each backup adds an index that a restore reads: a new project keeps that bounded.
                try await project.renew()
            }
            print("acknowledged: \(await project.acknowledged)")
        }
    }
}

/// Draws positions.
private struct FaultRandom {
    private var state: UInt64

    init(seed: UInt64) {
        state = seed
    }

    /// SplitMix64.
    private mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
        return value ^ value >> 31
    }

    mutating func aim(_ fault: Fault, in size: FaultedProject.Size) -> FaultAim {
        let count = UInt64(max(1, fault.isOfListings ? size.listings : size.requests))
        return FaultAim(fault: fault, number: 1 + Int(next() % count))
    }
}

/// A project on a fleet of one host whose bucket's requests can be spoiled.
private actor FaultedProject {
    /// How many requests an undisturbed run has.
    struct Size {
        var requests: Int
        var listings: Int
    }

    private let fleet: Fleet
    private let bucket: BucketFixture
    private let weather: BucketWeather
    private var number = 0
    private var round = 0
    private var last: (backup: String, tree: String) = ("", "")
    private(set) var backupSize = Size(requests: 1, listings: 1)
    private(set) var restoreSize = Size(requests: 1, listings: 1)
    private(set) var acknowledged = 0
    private(set) var failures: [String] = []

    private var name: String { "notes-\(number)" }

    private init(_ fleet: Fleet, _ bucket: BucketFixture, _ weather: BucketWeather) {
        self.fleet = fleet
        self.bucket = bucket
        self.weather = weather
    }

    static func run(
        _ kind: S3Server.Kind = .rclone,
        _ body: @escaping @Sendable (FaultedProject) async throws -> Void
    ) async throws {
        let weather = BucketWeather()
        let bucket = try await BucketFixture.start(kind, faults: weather.plan)
        try await Fleet.run(hosts: 1, limits: "bucket_patience = \"40s\"") { fleet in
            try await fleet.useBucket(bucket)
            let project = FaultedProject(fleet, bucket, weather)
            try await project.renew()
            try await body(project)
        }
        bucket.stop()
    }

    /// Goes on with another project.
    func renew() async throws {
        number += 1
        try await fleet.done("project", "create", name, "--host", "host-1")
        try await fleet.done("project", "start", name)
        // The first one makes the repository; what follows is the size of those to be spoiled.
        for _ in 0..<2 {
            try await backUp(nil)
            try await restore(nil)
        }
    }

    /// Changes the project and backs it up.
    ///
    /// - Returns: whether a request met the fault.
    @discardableResult
    func backUp(_ aim: FaultAim?) async throws -> Bool {
        round += 1
        try await fleet.done(
            "project", "exec", name, "--root", "--", "sh", "-c",
            "echo \(round) > last; head -c 300000 /dev/urandom > noise")
        weather.aim(aim)
        let result = try await fleet.berth(
            "backup", "create", name, "-o", "id", "--timeout", "110s")
        let seen = weather.clear()
        if aim == nil { backupSize = Size(requests: seen.requests, listings: seen.listings) }
        if result.isSuccess {
            last = (result.text.trimmed, try await tree())
            acknowledged += 1
        } else {
            expectNamed(result, "backup", aim)
        }
        return seen.hasMet
    }

    /// Destroys the project's files and restores the last acknowledged backup.
    ///
    /// - Returns: whether a request met the fault.
    @discardableResult
    func restore(_ aim: FaultAim?) async throws -> Bool {
        try await fleet.done(
            "project", "exec", name, "--root", "--", "sh", "-c", "rm -f last noise")
        weather.aim(aim)
        let command = ["backup", "restore", name, "--backup", last.backup, "--yes"]
        let result = try await fleet.berth(command + ["--timeout", "110s"])
        let seen = weather.clear()
        if aim == nil { restoreSize = Size(requests: seen.requests, listings: seen.listings) }
        if !result.isSuccess {
            expectNamed(result, "restore", aim)
            try await fleet.done(command)
        }
        #expect(try await tree() == last.tree, "\(aim?.description ?? "undisturbed")")
        return seen.hasMet
    }

    /// Whether stock restic agrees, and how much memory the programs ever took.
    func judge(memoryLimitMebibytes limit: Int) async throws {
        try await fleet.done("backup", "create", name)
        try await fleet.judge(name, at: bucket)
        try await fleet.expectNoSecret(bucket)
        let place = fleet.directory.path
        let peaks = try await fleet.shell(
            """
            for status in /proc/[0-9]*/status; do
                tr '\\0' ' ' <"${status%status}cmdline" 2>/dev/null | grep -q '^[^ ]*/berth-.*\(place)' \
                    && awk '/^VmHWM/ { print int($2 / 1024) }' "$status" || true
            done
            """
        ).split(separator: "\n").compactMap { Int($0) }
        print("most memory: \(peaks) MiB; failed by name: \(failures)")
        #expect(peaks.count >= 2 && peaks.allSatisfy { $0 <= limit }, "\(peaks) MiB")
    }

    private func tree() async throws -> String {
        try await fleet.listing(try await fleet.volume(name, on: "host-1")).inner
    }

    /// A failure has to say what of the bucket, or of what is in it, is wrong.
    private func expectNamed(_ result: ChildResult, _ what: String, _ aim: FaultAim?) {
        let text = result.errorText
        failures.append("\(what), \(aim?.description ?? "undisturbed"): \(text)")
        #expect(
            aim != nil && result.exit == .code(8)
                && (text.contains("bucket") || text.contains("repository")),
            "\(what), \(aim?.description ?? "undisturbed"): \(result.exit) \(text)")
    }
}
