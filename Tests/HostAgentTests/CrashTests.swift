import Glibc
import Platform
import SQLite
import Shared
import Testing

@testable import HostAgent

extension HostTests {
    @Suite("An agent that is killed", .timeLimit(.minutes(10)))
    struct CrashTests {
        /// Where in a backup the agent dies.
        enum BackupPoint: String, CaseIterable, CustomTestStringConvertible {
            case whilePacksAreStored
            case beforeTheCommit
            case afterTheCommit

            var testDescription: String { rawValue }
        }

        @Test(
            "finishes a backup, stores no pack twice, leaves nothing",
            arguments: BackupPoint.allCases)
        func backup(point: BackupPoint) async throws {
            try await TestHost.run { host in
                let volume = try await host.filledProject()
                let reached = Locked(false)
                let hold: @Sendable () async -> Void = {
                    let isFirst = reached.withLock { reached -> Bool in
                        defer { reached = true }
                        return !reached
                    }
                    // Held until the agent that waits for the answer is dead.
                    if isFirst { try? await ContinuousClock().sleep(for: .seconds(600)) }
                }
                host.hub.state.withLock { state -> Void in
                    switch point {
                    case .whilePacksAreStored: state.beforePut = { if $0 >= 2 { await hold() } }
                    case .beforeTheCommit: state.beforeCommit = hold
                    case .afterTheCommit: state.afterCommit = hold
                    }
                }
                let operation = try host.hub.submit(
                    .volumeBackup,
                    VolumeBackupInput(
                        volume: volume, backup: .make(), base: nil, isFinal: false, tags: []))
                try await withDeadline(.seconds(60), "reach the point") {
                    while !reached.withLock({ $0 }) {
                        try await ContinuousClock().sleep(for: .milliseconds(2))
                    }
                }
                try await host.kill()
                let stored = host.hub.state.withLock { $0.puts }
                try await host.start()
                let result = try await host.hub.outcome(of: operation)
                    .value(VolumeBackupResult.self)
                #expect(result.isCurrent)
                let state = host.hub.state.withLock { $0 }
                #expect(state.commits == 1)
                // What was durable and journaled is not stored again; the pack that was on its way
                // when the agent died may be.
                let again = state.puts.filter { $1 > 1 }
                #expect(
                    again.count <= 1, "\(again.count) of \(stored.count) packs were stored again")
                try await host.expectNothingLeft(volume)
                try await host.restoresElsewhere(result.backup, as: volume)
            }
        }

        @Test(
            "finishes a restore that replaces a volume, at a moment by the seed",
            arguments: [5, 60, 120, 200, 330] as [Int])
        func restore(milliseconds: Int) async throws {
            try await TestHost.run { host in
                let volume = try await host.filledProject()
                let saved = try await host.backup(volume, base: nil)
                try await host.shell(
                    "rm -r sub; echo changed > one", in: host.layout.volume(volume.project))
                var next = volume
                next.generation = 2
                let operation = try host.hub.submit(
                    .volumeRestore,
                    VolumeRestoreInput(volume: next, backup: saved.backup, replacesVolume: true))
                // The moment of a power failure is not ordered with anything.
                try await ContinuousClock().sleep(for: .milliseconds(milliseconds))
                try await host.kill()
                try await host.start()
                let receipt = try await host.hub.outcome(of: operation).value(RestoreReceipt.self)
                #expect(receipt.rootTree == saved.backup.rootTree)
                try await host.expectNothingLeft(volume)
                #expect(
                    try await host.shell("ls", in: host.layout.trash) == "\(volume.project)-1\n")
                #expect(
                    try await host.shell(
                        "cat \(volume.project)-1/one", in: host.layout.trash) == "changed\n")
                let again = try await host.backup(next, base: saved.backup)
                #expect(again.backup.rootTree == saved.backup.rootTree)
            }
        }

        /// With a base the restore builds on it; from nothing it does not.
        @Test(
            "finishes what a move prepares and its restore, at a moment by the seed",
            arguments: CrashTests.seeds)
        func staged(seed: UInt64) async throws {
            try await TestHost.run { host in
                var random = SeededMoments(state: seed &* 77 | 1)
                let volume = try await host.filledProject()
                let path = host.layout.volume(volume.project)
                let first = try await host.backup(volume, base: nil).backup
                try await host.shell(
                    "echo changed > one; rm -r sub/deep; echo y >> large", in: path)
                let second = try await host.backup(volume, base: first).backup
                let listing = try await host.listing(of: path)
                let retired = try await host.hub.perform(
                    .volumeRetire,
                    VolumeRetireInput(
                        volume: volume, coveringBackup: second.id, isDeletion: false))
                #expect(retired.state == .succeeded)
                var next = volume
                next.generation = 2
                let orders = [
                    VolumeRestoreInput(
                        volume: next, backup: first, replacesVolume: false, isStaged: true),
                    VolumeRestoreInput(volume: next, backup: second, replacesVolume: false),
                    VolumeRestoreInput(volume: next, backup: first, replacesVolume: true),
                ]
                for order in orders {
                    let operation = try host.hub.submit(.volumeRestore, order)
                    // The moment of a power failure is not ordered with anything.
                    let moment = Int.random(in: 0...400, using: &random)
                    try await ContinuousClock().sleep(for: .milliseconds(moment))
                    try await host.kill()
                    try await host.start()
                    let receipt = try await host.hub.outcome(of: operation)
                        .value(RestoreReceipt.self)
                    #expect(receipt.rootTree == order.backup.rootTree, "seed \(seed)")
                    if order.backup == second {
                        #expect(receipt.origin == .staged, "\(receipt.objections ?? [])")
                        #expect(try await host.listing(of: path) == listing, "seed \(seed)")
                    }
                }
                try await host.expectNothingLeft(volume)
                let again = try await host.backup(next, base: first)
                #expect(again.backup.rootTree == first.rootTree)
            }
        }

        /// BERTH_SOAK_SEEDS of them in `make soak-repository`.
        static var seeds: [UInt64] {
            let count = unsafe getenv("BERTH_SOAK_SEEDS").map { unsafe String(cString: $0) }
            return Array(1...(count.flatMap { UInt64($0) } ?? 2))
        }

        @Test("leaves projects' processes alone and finds them again")
        func adoption() async throws {
            try await TestHost.run { host in
                let volume = try await host.filledProject()
                let input = RuntimeInput(
                    volume: volume,
                    runtime: RuntimeDescription(
                        command: [
                            "/bin/sh", "-c", "echo $$ > pid; echo $HOME > home; exec sleep 1000",
                        ]))
                #expect(try await host.hub.perform(.runtimeStart, input).state == .succeeded)
                let path = host.layout.volume(volume.project)
                let pid = try await host.contents(of: path + "/pid")
                try await host.kill()
                try await host.start()
                _ = try await host.hub.wait("inventory") { $0.inventories.count >= 2 ? true : nil }
                #expect(
                    host.hub.state.withLock { $0.volumes[volume.project]?.runtime } == .running)
                #expect(try await host.hub.perform(.runtimeStart, input).state == .succeeded)
                #expect(try await host.contents(of: path + "/pid") == pid)
                #expect(try await host.contents(of: path + "/home") == path + "\n")
                #expect(try await host.hub.perform(.runtimeStop, input).state == .succeeded)
                #expect(try ProcessTable.processes(ofUser: volume.uid).isEmpty)
            }
        }

        /// Between starting a process and writing it down lies a moment; a process from there was
        /// joined by a second one, and both wrote the project's files.
        @Test("starts a project's process once, also when it died before writing it down")
        func unknownStart() async throws {
            try await TestHost.run { host in
                let volume = try await host.filledProject()
                let input = RuntimeInput(
                    volume: volume,
                    runtime: RuntimeDescription(
                        command: ["/bin/sh", "-c", "echo $$ >> pids; exec sleep 1000"]))
                #expect(try await host.hub.perform(.runtimeStart, input).state == .succeeded)
                let path = host.layout.volume(volume.project)
                try await host.kill()
                // What the ledger holds in that moment.
                let ledger = try await SQLiteDatabase.open(host.data + "/ledger.sqlite")
                try await ledger.write { connection in
                    _ = try connection.execute("update runtimes set pid = 0")
                }
                await ledger.close()
                try await host.start()
                #expect(try await host.hub.perform(.runtimeStart, input).state == .succeeded)
                let pids = try await host.contents(of: path + "/pids").split(separator: "\n")
                #expect(pids.count == 2)
                let alive = try ProcessTable.processes(ofUser: volume.uid)
                #expect(alive == [Int32(pids[1])])
                #expect(try await host.hub.perform(.runtimeStop, input).state == .succeeded)
            }
        }
    }
}

/// Numbers that a seed brings again (xorshift64).
private struct SeededMoments: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return state
    }
}
