import Glibc
import Platform
import Shared
import Testing

@testable import HostAgent

extension HostTests {
    /// Restores on top of what the host has, and from nothing where that is in doubt.
    @Suite("A restore on a local state", .timeLimit(.minutes(10)))
    struct LocalStateTests {
        /// A project with two backups; the second is its base.
        struct TwoBackups {
            var volume: VolumeReference
            let first: BackupReference
            let second: BackupReference
            let listings: [BackupID: String]

            init(_ host: TestHost) async throws {
                volume = try await host.filledProject()
                let path = host.layout.volume(volume.project)
                try await host.shell("mkdir untouched; echo one > untouched/file", in: path)
                first = try await host.backup(volume, base: nil).backup
                let before = try await host.listing(of: path)
                try await host.shell(
                    """
                    echo changed > sub/f1; rm sub/f2; mkdir more; echo new > more/new; chmod 600 zero
                    printf x | dd of=large seek=1500000 bs=1 conv=notrunc status=none
                    ln one more/three; fallocate -p -o 0 -l 65536 large
                    """, in: path)
                second = try await host.backup(volume, base: first).backup
                listings = [first.id: before, second.id: try await host.listing(of: path)]
            }

            mutating func restore(
                _ backup: BackupReference, on host: TestHost, isFromNothing: Bool? = nil
            ) async throws -> RestoreReceipt {
                volume.generation += 1
                let receipt = try await host.hub.perform(
                    .volumeRestore,
                    VolumeRestoreInput(
                        volume: volume, backup: backup, replacesVolume: true,
                        isFromNothing: isFromNothing)
                ).value(RestoreReceipt.self)
                #expect(receipt.rootTree == backup.rootTree)
                #expect(
                    try await host.listing(of: host.layout.volume(volume.project))
                        == listings[backup.id])
                try await host.expectNothingLeft(volume)
                return receipt
            }
        }

        @Test("begins with the base, there and back, and writes only what differs")
        func base() async throws {
            try await TestHost.run { host in
                var project = try await TwoBackups(host)
                let back = try await project.restore(project.first, on: host)
                #expect(back.origin == .base)
                #expect(back.objections == [])
                #expect(back.files < 10)
                let forth = try await project.restore(project.second, on: host)
                #expect(forth.origin == .base)
                let anew = try await project.restore(project.first, on: host, isFromNothing: true)
                #expect(anew.origin == .nothing && anew.reason == "asked-for")
                #expect(anew.files > 50)
                let same = try await project.restore(project.first, on: host)
                #expect(same.origin == .base)
                #expect(same.files == 0)
                // The base after it is what was restored: nothing is new.
                let next = try await host.backup(project.volume, base: project.first)
                #expect(next.backup.rootTree == project.first.rootTree)
                #expect(next.addedBytes == 0)
            }
        }

        /// What may be wrong with a base, as a script that gets its path.
        enum Doubt: String, CaseIterable {
            case written = """
                btrfs property set -ts "$1" ro false; echo x > "$1/sub/f3"
                btrfs property set -ts "$1" ro true
                """
            case writable = "btrfs property set -ts \"$1\" ro false"
            case gone = "btrfs subvolume delete -q \"$1\" || btrfs subvolume delete \"$1\""
            case another = """
                mv "$1" "$1.old"; btrfs subvolume snapshot -r "$2" "$1"
                btrfs subvolume delete "$1.old"
                """

            var reason: String {
                switch self {
                case .written, .writable: "base-changed"
                case .gone: "base-missing"
                case .another: "base-unknown"
                }
            }
        }

        @Test(
            "begins from nothing where the base is not what the ledger knows",
            arguments: Doubt.allCases)
        func doubts(_ doubt: Doubt) async throws {
            try await TestHost.run { host in
                var project = try await TwoBackups(host)
                let base = host.layout.base(project.volume.project)
                let volume = host.layout.volume(project.volume.project)
                try await host.shell("touch again", in: volume)
                try await host.shell(
                    "set -- \(base) \(volume)\n\(doubt.rawValue)", in: host.directory.path)
                let receipt = try await project.restore(project.first, on: host)
                #expect(receipt.origin == .nothing)
                #expect(receipt.objections?.count == 1, "\(receipt.objections ?? [])")
                #expect(receipt.objections?.first?.hasPrefix("base: ") == true)
                #expect(receipt.reason == doubt.reason)
            }
        }

        @Test("finds out what was changed where nothing was to differ, and begins from nothing")
        func intruder() async throws {
            try await TestHost.run { host in
                var project = try await TwoBackups(host)
                let staging = host.layout.staging
                let isDone = Locked(false)
                host.hub.state.withLock { state -> Void in
                    state.beforeGet = {
                        // As soon as the state is in staging; the directory is equal in both backups.
                        guard isDone.withLock({ !$0 }) else { return }
                        let told = try await host.shell(
                            """
                            for d in *; do if [ -d $d/untouched ]; then
                                echo else > $d/untouched/file; echo done; fi; done
                            """, in: staging)
                        if told.contains("done") { isDone.withLock { $0 = true } }
                    }
                }
                let receipt = try await project.restore(project.first, on: host)
                #expect(isDone.withLock { $0 })
                #expect(receipt.origin == .nothing)
                #expect(receipt.reason == "base-refuted", "\(receipt.objections ?? [])")
                #expect(receipt.rootTree == project.first.rootTree)
            }
        }

        @Test("finds a lie of its ledger out by the proof, and begins from nothing")
        func lie() async throws {
            try await TestHost.run { host in
                var project = try await TwoBackups(host)
                try await host.kill()
                try await host.shell(
                    """
                    python3 -c "import sqlite3, sys; d = sqlite3.connect(sys.argv[1]); d.execute(
                    'update volumes set base = replace(base, ?, ?)', sys.argv[2:4]); d.commit()" \
                    \(host.data)/ledger.sqlite \(project.second.rootTree) \(project.first.rootTree)
                    """, in: host.directory.path)
                try await host.start()
                let receipt = try await project.restore(project.second, on: host)
                #expect(receipt.origin == .nothing)
                #expect(receipt.objections?.count == 1, "\(receipt.objections ?? [])")
            }
        }

        @Test("builds on what a move has prepared, which a restart of the agent keeps")
        func staged() async throws {
            try await TestHost.run { host in
                let project = try await TwoBackups(host)
                var volume = project.volume
                let retired = try await host.hub.perform(
                    .volumeRetire,
                    VolumeRetireInput(
                        volume: volume, coveringBackup: project.second.id, isDeletion: false))
                #expect(retired.state == .succeeded)
                volume.generation += 1
                let input = VolumeRestoreInput(
                    volume: volume, backup: project.first, replacesVolume: false, isStaged: true)
                let prepared = try await host.hub.perform(.volumeRestore, input)
                    .value(RestoreReceipt.self)
                #expect(prepared.rootTree == project.first.rootTree)
                #expect(prepared.origin == .nothing)
                #expect(try await host.shell("ls -A", in: host.layout.projects) == "")
                #expect(try await host.shell("ls -A", in: host.layout.staging) == "")
                try await host.kill()
                try await host.start()
                let receipt = try await host.hub.perform(
                    .volumeRestore,
                    VolumeRestoreInput(
                        volume: volume, backup: project.second, replacesVolume: false)
                ).value(RestoreReceipt.self)
                #expect(receipt.origin == .staged)
                #expect(receipt.objections == [])
                #expect(receipt.rootTree == project.second.rootTree)
                #expect(
                    try await host.listing(of: host.layout.volume(volume.project))
                        == project.listings[project.second.id])
                try await host.expectNothingLeft(volume)
            }
        }

        @Test("gives up what a move has prepared when it is retired")
        func stagedAndRetired() async throws {
            try await TestHost.run { host in
                let project = try await TwoBackups(host)
                var volume = project.volume
                for generation in [1, 2] as [Int64] {
                    volume.generation = generation
                    let retired = try await host.hub.perform(
                        .volumeRetire,
                        VolumeRetireInput(
                            volume: volume, coveringBackup: project.second.id, isDeletion: false))
                    #expect(retired.state == .succeeded)
                    #expect(try await host.shell("ls -A", in: host.layout.bases) == "")
                    volume.generation = 2
                    let prepared = try await host.hub.perform(
                        .volumeRestore,
                        VolumeRestoreInput(
                            volume: volume, backup: project.first, replacesVolume: false,
                            isStaged: true))
                    #expect(prepared.state == .succeeded)
                    #expect(try await host.shell("ls -A", in: host.layout.bases) != "")
                }
            }
        }

        @Test("that may be partial leaves out what cannot be read, and is no backup's state")
        func partial() async throws {
            try await TestHost.run { host in
                var project = try await TwoBackups(host)
                // The largest pack has the chunks of the large files.
                let lost = try await host.shell(
                    "find . -path '*/data/*' -type f -printf '%s %p\\n' | sort -n | tail -n 1 "
                        + "| cut -d ' ' -f 2", in: host.directory.path + "/bucket")
                try await host.shell("rm \(lost)", in: host.directory.path + "/bucket")
                project.volume.generation += 1
                var input = VolumeRestoreInput(
                    volume: project.volume, backup: project.first, replacesVolume: true,
                    isFromNothing: true)
                let refused = try await host.hub.perform(.volumeRestore, input)
                #expect(refused.failure?.code == "repository-damaged")
                input.isPartial = true
                let receipt = try await host.hub.perform(.volumeRestore, input)
                    .value(RestoreReceipt.self)
                let pack = lost.split(separator: "/").last?.prefix(64) ?? ""
                #expect(pack.count == 64)
                #expect(receipt.missing?.contains { $0.contains(pack) } == true)
                #expect(receipt.rootTree != project.first.rootTree)
                let seen = try await host.hub.wait("dirty") { [volume = project.volume] state in
                    state.volumes[volume.project].flatMap {
                        $0.generation == volume.generation ? $0 : nil
                    }
                }
                #expect(seen.freshness == .dirty)
                #expect(seen.base == nil)
                // What is there is as it was.
                let path = host.layout.volume(project.volume.project)
                let now = try await host.listing(of: path).split(separator: "\n")
                let before = Set((project.listings[project.first.id] ?? "").split(separator: "\n"))
                #expect(now.allSatisfy { before.contains($0) })
            }
        }
    }
}
