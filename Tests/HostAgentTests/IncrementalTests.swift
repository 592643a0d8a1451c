import Btrfs
import Platform
import Repository
import Shared
import Testing

@testable import HostAgent

extension HostTests {
    @Suite("A backup of what has changed", .timeLimit(.minutes(10)))
    struct IncrementalTests {
        @Test("reads the whole volume once, then what has changed, and nothing where nothing has")
        func costsWhatChanged() async throws {
            try await TestHost.run { host in
                let volume = try await host.filledProject()
                let path = host.layout.volume(volume.project)
                let first = try await host.backup(volume, base: nil)
                #expect(first.detection?.method == .full)
                #expect(first.detection?.reason == "first-backup")
                try await host.shell(
                    "echo more >> sub/f7; mv sub/f8 sub/f8-moved; mkdir later; rm zero", in: path)
                let second = try await host.backup(volume, base: first.backup)
                let detection = try #require(second.detection)
                #expect(detection.method == .changes && detection.reason == nil)
                #expect(detection.readBytes < 1000)
                #expect(second.addedBytes < first.addedBytes / 20)
                #expect(second.files == first.files - 1)
                #expect(second.isCurrent)
                let stored = host.hub.state.withLock { ($0.puts, $0.commits) }
                let third = try await host.backup(volume, base: second.backup)
                #expect(third.backup == second.backup)
                #expect(third.detection?.changedInodes == 0)
                #expect(third.isCurrent)
                let then = host.hub.state.withLock { ($0.puts, $0.commits, $0.confirmations) }
                #expect(then.0 == stored.0 && then.1 == stored.1 && then.2 == 1)
                try await host.shell("echo again >> sub/f7", in: path)
                let fourth = try await host.backup(volume, base: third.backup)
                #expect(fourth.detection?.method == .changes)
                try await host.restoresElsewhere(fourth.backup, as: volume)
                try await host.expectNothingLeft(volume)
            }
        }

        @Test("says how far it is while it stores a large new file")
        func progress() async throws {
            try await TestHost.run { host in
                let volume = try await host.filledProject()
                let first = try await host.backup(volume, base: nil)
                try await host.shell(
                    "head -c 24000000 /dev/urandom > noise",
                    in: host.layout.volume(volume.project))
                let isSeen = Locked(false)
                host.hub.state.withLock { state -> Void in
                    state.beforePut = { _ in
                        // Held until a heartbeat has told something.
                        while !isSeen.withLock({ $0 }), !Task.isCancelled {
                            try? await ContinuousClock().sleep(for: .milliseconds(5))
                        }
                    }
                }
                let operation = try host.hub.submit(
                    .volumeBackup,
                    VolumeBackupInput(
                        volume: volume, backup: .make(), base: first.backup, isFinal: false,
                        tags: []))
                let told = try await host.hub.wait("progress") { state in
                    state.progress[operation].flatMap { $0.done > 0 ? $0 : nil }
                }
                isSeen.withLock { $0 = true }
                #expect(told.phase == "upload" && told.unit == .bytes)
                let result = try await host.hub.outcome(of: operation)
                    .value(VolumeBackupResult.self)
                #expect(result.detection?.method == .changes)
            }
        }

        /// What is wrong with what a backup builds on, and how the result calls it.
        enum Trouble: String, CaseIterable, CustomTestStringConvertible {
            case cacheDeleted = "cache-missing"
            case cacheTorn = "cache-missing "
            case cacheDamaged = "cache-damaged"
            case cacheOfBefore = "cache-of-another-base"
            case baseTampered = "base-changed"
            case baseWritable = "base-writable"
            case baseDeleted = "base-missing"
            case otherBase = "base-of-another-backup"

            var testDescription: String { "\(self)" }
            var reason: String { String(rawValue.prefix { $0 != " " }) }
        }

        @Test("reads everything again where something does not fit, and says why, once")
        func fallsBack() async throws {
            try await TestHost.run { host in
                let volume = try await host.filledProject()
                let path = host.layout.volume(volume.project)
                var last = try await host.backup(volume, base: nil)
                for trouble in Trouble.allCases {
                    let before = last
                    try await host.shell(
                        "echo \(trouble) >> sub/f9; cp \(Self.cache(host, volume)) "
                            + "\(host.directory.path)/kept", in: path)
                    last = try await host.backup(volume, base: last.backup)
                    #expect(last.detection?.method == .changes, "before \(trouble)")
                    try await host.shell("echo \(trouble) again >> sub/f9", in: path)
                    let base = trouble == .otherBase ? before.backup : last.backup
                    try await Self.make(trouble, host, volume)
                    last = try await host.backup(volume, base: base)
                    #expect(last.detection?.method == .full, "\(trouble)")
                    #expect(last.detection?.reason == trouble.reason)
                    try await host.expectNothingLeft(volume)
                }
                try await host.shell("echo end >> sub/f9", in: path)
                last = try await host.backup(volume, base: last.backup)
                #expect(last.detection?.method == .changes)
                try await host.restoresElsewhere(last.backup, as: volume)
            }
        }

        private static func cache(_ host: TestHost, _ volume: VolumeReference) -> String {
            "\(host.data)/cache/\(volume.project).base"
        }

        private static func make(
            _ trouble: Trouble, _ host: TestHost, _ volume: VolumeReference
        ) async throws {
            let base = host.layout.base(volume.project)
            let cache = cache(host, volume)
            switch trouble {
            case .cacheDeleted: try await host.shell("rm \(cache)*", in: "/")
            case .cacheTorn: try await host.shell("truncate -s 5000 \(cache)", in: "/")
            case .cacheDamaged:
                // All pages but those with the schema and the header.
                try await host.shell(
                    "size=$(stat -c %s \(cache)); head -c $((size - 16384)) /dev/urandom"
                        + " | dd of=\(cache) bs=4096 seek=4 conv=notrunc status=none", in: "/")
            case .cacheOfBefore:
                // As after a crash between the commit and what is kept of it.
                try await host.shell("cp \(host.directory.path)/kept \(cache)", in: "/")
            case .baseTampered:
                try await host.shell(
                    "btrfs property set . ro false; echo x > tampered; sync;"
                        + " btrfs property set . ro true", in: base)
            case .baseWritable:
                try await host.shell("btrfs property set . ro false", in: base)
            case .baseDeleted:
                try await host.shell("btrfs subvolume delete -c \(base)", in: "/")
            case .otherBase: break
            }
        }

        @Test("stores everything once more where the backup that it builds on is damaged")
        func damagedBase() async throws {
            try await TestHost.run { host in
                let volume = try await host.filledProject()
                let first = try await host.backup(volume, base: nil)
                try await host.shell(
                    "rm -r bucket/\(volume.project)/data/* bucket/\(volume.project)/index/*;"
                        + " rm \(Self.cache(host, volume))", in: host.directory.path)
                let second = try await host.backup(volume, base: first.backup)
                #expect(second.detection?.method == .full)
                #expect(second.detection?.reason == "base-unreadable")
                #expect(second.addedBytes == first.addedBytes)
                try await host.restoresElsewhere(second.backup, as: volume)
            }
        }

        @Test("after a volume was put back from a snapshot of its own, compares all metadata")
        func rolledBack() async throws {
            try await TestHost.run { host in
                let volume = try await host.filledProject()
                let path = host.layout.volume(volume.project)
                let first = try await host.backup(volume, base: nil)
                try await host.shell("btrfs subvolume snapshot . ../old", in: path)
                try await host.shell("echo later > sub/f3", in: path)
                let second = try await host.backup(volume, base: first.backup)
                #expect(second.detection?.method == .changes)
                // The files have old content with old transaction numbers then.
                try await host.shell(
                    "btrfs subvolume delete \(volume.project); mv old \(volume.project)",
                    in: host.layout.projects)
                let third = try await host.backup(volume, base: second.backup)
                #expect(third.detection?.method == .comparison)
                #expect(third.detection?.reason == "base-of-another-volume")
                #expect(third.backup.rootTree == first.backup.rootTree)
            }
        }

        @Test("after a volume was made anew, reads it whole, and keeps nothing of what was there")
        func madeAnew() async throws {
            try await TestHost.run { host in
                let volume = try await host.filledProject()
                let path = host.layout.volume(volume.project)
                try await host.shell("mkdir -p deep/er; echo x > deep/er/x", in: path)
                let first = try await host.backup(volume, base: nil)
                try await host.shell(
                    """
                    btrfs subvolume create made; cp -a --reflink \(volume.project)/sub made/
                    cp -a \(volume.project)/.[!.]* made/ 2>/dev/null || true
                    chown --reference=\(volume.project) made
                    btrfs subvolume delete \(volume.project); mv made \(volume.project)
                    """, in: host.layout.projects)
                let second = try await host.backup(volume, base: first.backup)
                #expect(second.detection?.method == .full)
                #expect(second.detection?.reason == "another-root")
                let count = try await host.shell("find . -type f | wc -l", in: path)
                #expect("\(second.files)\n" == count)
                // And the next one is told by its changes again.
                try await host.shell("echo later > sub/f3", in: path)
                let third = try await host.backup(volume, base: second.backup)
                #expect(third.detection?.method == .changes && third.files == second.files)
            }
        }

        @Test("costs what has changed since a restore too, on the host where it was restored")
        func afterRestore() async throws {
            try await TestHost.run { host in
                let volume = try await host.filledProject()
                let saved = try await host.backup(volume, base: nil)
                try await TestHost.run { other in
                    let repository = try await host.hub.repository(of: volume.project)
                    other.hub.state.withLock { $0.repositories[volume.project] = repository }
                    var next = volume
                    next.generation = 2
                    let receipt = try await other.hub.perform(
                        .volumeRestore,
                        VolumeRestoreInput(
                            volume: next, backup: saved.backup, replacesVolume: false)
                    ).value(RestoreReceipt.self)
                    #expect(receipt.rootTree == saved.backup.rootTree)
                    let path = other.layout.volume(volume.project)
                    let same = try await other.backup(next, base: saved.backup)
                    #expect(same.backup == saved.backup)
                    #expect(same.detection?.method == .changes)
                    #expect(same.files == saved.files && same.bytes == saved.bytes)
                    try await other.shell(
                        "echo changed | dd of=large bs=1 seek=1500000 conv=notrunc status=none",
                        in: path)
                    let first = try await other.backup(next, base: saved.backup)
                    #expect(first.detection?.method == .changes)
                    #expect(first.detection?.reason == nil)
                    // The part of the file around the change, not the file.
                    #expect(first.addedBytes < saved.addedBytes)
                    try await other.restoresElsewhere(first.backup, as: next)
                }
            }
        }

        /// Where an agent dies in the middle of an incremental backup.
        enum Point: Hashable, CustomTestStringConvertible {
            case beforePacks, beforeCommit, afterCommit
            case after(milliseconds: Int)

            var testDescription: String { "\(self)" }
        }

        static let points: [Point] =
            [.beforePacks, .beforeCommit, .afterCommit]
            + [2, 5, 9, 14, 20, 27, 35, 44, 60, 80].map { .after(milliseconds: $0) }

        @Test("survives the agent's end at any moment, and what is kept fits or is not believed")
        func killed() async throws {
            try await TestHost.run { host in
                let volume = try await host.filledProject()
                let path = host.layout.volume(volume.project)
                var last = try await host.backup(volume, base: nil)
                for (round, point) in Self.points.enumerated() {
                    try await host.shell(
                        "echo \(round) >> sub/f1; echo \(round) > sub/new\(round)", in: path)
                    last = try await Self.interrupt(host, volume, base: last.backup, at: point)
                    try await host.expectNothingLeft(volume)
                    // A wrong base or cache would show here: compared with a volume read anew.
                    try await host.shell("echo after \(round) >> sub/f2", in: path)
                    last = try await host.backup(volume, base: last.backup)
                    #expect(last.detection != nil)
                    try await Self.expectEqualToWhole(host, volume, last)
                }
            }
        }

        private static func interrupt(
            _ host: TestHost, _ volume: VolumeReference, base: BackupReference, at point: Point
        ) async throws -> VolumeBackupResult {
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
                (state.beforePut, state.beforeCommit, state.afterCommit) = (nil, nil, nil)
                switch point {
                case .beforePacks: state.beforePut = { _ in await hold() }
                case .beforeCommit: state.beforeCommit = hold
                case .afterCommit: state.afterCommit = hold
                case .after: break
                }
            }
            let operation = try host.hub.submit(
                .volumeBackup,
                VolumeBackupInput(
                    volume: volume, backup: .make(), base: base, isFinal: false, tags: []))
            if case .after(let milliseconds) = point {
                try await host.hub.wait("the lease") { state in
                    state.held[operation].map { _ in true }
                }
                // The moment of a power failure is not ordered with anything.
                try await ContinuousClock().sleep(for: .milliseconds(milliseconds))
            } else {
                try await withDeadline(.seconds(60), "reach the point") {
                    while !reached.withLock({ $0 }) {
                        try await ContinuousClock().sleep(for: .milliseconds(2))
                    }
                }
            }
            try await host.kill()
            try await host.start()
            return try await host.hub.outcome(of: operation).value(VolumeBackupResult.self)
        }

        /// The root tree is that of the volume as it is.
        private static func expectEqualToWhole(
            _ host: TestHost, _ volume: VolumeReference, _ result: VolumeBackupResult
        ) async throws {
            let polynomial = try await host.hub.repository(of: volume.project).config.polynomial
            let slow = try SlowReference.rootTree(
                of: host.layout.base(volume.project), polynomial: polynomial)
            #expect(slow.id.hex == result.backup.rootTree)
            #expect(slow.files == result.files && slow.bytes == result.bytes)
            let live = try SlowReference.rootTree(
                of: host.layout.volume(volume.project), polynomial: polynomial)
            #expect(live.id == slow.id)
        }
    }
}
