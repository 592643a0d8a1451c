import Btrfs
import Glibc
import Platform
import Shared
import Testing

@testable import HostAgent

extension HostTests {
    @Suite("Incremental backups equal whole ones", .timeLimit(.minutes(10)))
    struct EqualityOracleTests {
        /// What a history may have the whole volume read for.
        static let expected: Set<String> = ["base-changed", "base-writable"]

        /// Seeds that failed once, and some more.
        static let seeds: [(seed: UInt64, steps: Int, hasLargeFiles: Bool)] = [
            (1, 100, false), (2, 100, false), (3, 70, false), (4, 40, true),
        ]

        @Test("after every step of a seeded history", arguments: seeds)
        func history(seed: UInt64, steps: Int, hasLargeFiles: Bool) async throws {
            try await Self.play(seed: seed, steps: steps, hasLargeFiles: hasLargeFiles)
        }

        @Test("there are at least thirty kinds of change, and events besides")
        func kinds() {
            #expect(HistoryGenerator.kinds >= 30)
            #expect(HistoryGenerator.Event.allCases.count >= 7)
        }

        /// Plays a history; an error tells the seed and the step, and what happened in it.
        static func play(seed: UInt64, steps: Int, hasLargeFiles: Bool) async throws {
            var generator = HistoryGenerator(seed: seed, hasLargeFiles: hasLargeFiles)
            let history = (1...steps).map { _ in
                HistoryStep(script: generator.step(), event: generator.event())
            }
            if let (step, mismatch) = try await first(mismatchIn: history) {
                throw OracleVolume.Mismatch(
                    description: "seed \(seed), step \(step): \(mismatch)\n\(history[step - 1])")
            }
        }

        /// The first step that goes wrong, and how.
        static func first(
            mismatchIn history: [HistoryStep]
        ) async throws -> (step: Int, mismatch: String)? {
            let found = Locked((step: Int, mismatch: String)?.none)
            try await OracleVolume.with { volume in
                try await volume.shell(HistoryGenerator.beginning)
                try await volume.fullBackup()
                var full = 0
                for (index, step) in history.enumerated() {
                    do {
                        try await volume.shell(step.script)
                        try await volume.happen(step.event)
                        let result = try await volume.backup()
                        if result.detection.method == .full { full += 1 }
                        if let reason = result.reason, !expected.contains(reason.code) {
                            throw OracleVolume.Mismatch(description: "\(reason)")
                        }
                    } catch {
                        found.withLock { $0 = (index + 1, "\(error)") }
                        return
                    }
                }
                #expect(full <= history.count / 2, "\(full) of \(history.count) read everything")
            }
            return found.withLock { $0 }
        }
    }

    /// Histories by fresh seeds for as many steps as `BERTH_ORACLE_STEPS` says, from the seed
    /// `BERTH_ORACLE_SEED` on; one that fails is made as short as it goes and written down.
    @Suite(
        "Incremental backups equal whole ones, at length",
        .enabled(if: OracleEnvironment.number("BERTH_ORACLE_STEPS") != nil))
    struct EqualitySoakTests {
        private static let stepsAtOnce = 250

        @Test("after every step of many seeded histories")
        func soak() async throws {
            let steps = Int(clamping: OracleEnvironment.number("BERTH_ORACLE_STEPS") ?? 0)
            var seed =
                OracleEnvironment.number("BERTH_ORACLE_SEED")
                ?? UInt64.random(in: 1000...(.max >> 1))
            var done = 0
            while done < steps {
                let hasLargeFiles = seed % 8 == 0
                let count = min(hasLargeFiles ? 60 : Self.stepsAtOnce, steps - done)
                var generator = HistoryGenerator(seed: seed, hasLargeFiles: hasLargeFiles)
                let history = (1...count).map { _ in
                    HistoryStep(script: generator.step(), event: generator.event())
                }
                if let (step, mismatch) = try await EqualityOracleTests.first(mismatchIn: history) {
                    let short = try await HistoryStep.shortened(Array(history.prefix(step)))
                    Issue.record(
                        """
                        seed \(seed), step \(step) of \(count): \(mismatch)
                        as short as it goes:
                        \(short.map(\.description).joined(separator: "\n"))
                        """)
                    return
                }
                done += count
                print("oracle: seed \(seed), \(done) of \(steps) steps")
                seed += 1
            }
        }
    }
}

/// What the long form is asked for.
enum OracleEnvironment {
    static func number(_ name: String) -> UInt64? {
        unsafe getenv(name).flatMap { unsafe UInt64(String(cString: $0)) }
    }
}

/// What happens between two backups.
struct HistoryStep: Sendable, CustomStringConvertible {
    let script: String
    let event: HistoryGenerator.Event

    var description: String { "--- \(event.rawValue)\n\(script)" }

    /// How many histories are played to make one shorter.
    private static let tries = 120

    /// Leaves out what is not needed for the history to fail: halves first, then single steps.
    static func shortened(_ history: [HistoryStep]) async throws -> [HistoryStep] {
        var history = history
        var size = max(history.count / 2, 1)
        var left = tries
        while left > 0 {
            var start = 0
            while start < history.count, history.count > 1, left > 0 {
                var shorter = history
                shorter.removeSubrange(start..<min(start + size, history.count))
                left -= 1
                let failure = try await HostTests.EqualityOracleTests.first(mismatchIn: shorter)
                if let failure {
                    history = Array(shorter.prefix(failure.step))
                } else {
                    start += size
                }
            }
            if size == 1 { break }
            size /= 2
        }
        return history
    }
}
