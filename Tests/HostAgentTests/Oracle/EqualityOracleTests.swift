import Btrfs
import Platform
import Shared
import Testing

@testable import HostAgent

extension HostTests {
    @Suite("Incremental backups equal whole ones", .timeLimit(.minutes(10)))
    struct EqualityOracleTests {
        /// What a history may have the whole volume read for.
        private static let expected: Set<String> = ["base-changed", "base-writable"]

        /// Seeds that failed once, and some more; `BERTH_ORACLE_SEED` and `BERTH_ORACLE_STEPS` play
        /// others, for longer.
        static let seeds: [(seed: UInt64, steps: Int, hasLargeFiles: Bool)] = [
            (1, 100, false), (2, 100, false), (3, 70, false), (4, 40, true),
        ]

        @Test("after every step of a seeded history", arguments: seeds)
        func history(seed: UInt64, steps: Int, hasLargeFiles: Bool) async throws {
            try await Self.play(seed: seed, steps: steps, hasLargeFiles: hasLargeFiles)
        }

        /// Plays a history; an error tells the seed and the step, and what happened in it.
        static func play(seed: UInt64, steps: Int, hasLargeFiles: Bool) async throws {
            try await OracleVolume.with { volume in
                var generator = HistoryGenerator(seed: seed, hasLargeFiles: hasLargeFiles)
                try await volume.shell(HistoryGenerator.beginning)
                try await volume.fullBackup()
                var methods: [BackupDetection.Method: Int] = [:]
                for step in 1...steps {
                    let (script, event) = (generator.step(), generator.event())
                    do {
                        try await volume.shell(script)
                        try await volume.happen(event)
                        let result = try await volume.backup()
                        methods[result.detection.method, default: 0] += 1
                        if let reason = result.reason, !expected.contains(reason.code) {
                            throw OracleVolume.Mismatch(description: "\(reason)")
                        }
                    } catch {
                        throw OracleVolume.Mismatch(
                            description: "seed \(seed), step \(step), \(event): \(error)\n\(script)"
                        )
                    }
                }
                print("seed \(seed): \(methods)")
                #expect((methods[.changes] ?? 0) > steps / 2)
            }
        }
    }
}
