import Platform
import Shared
import Testing

@testable import HostAgent

extension HostTests {
    @Suite("A project's life on a host", .timeLimit(.minutes(5)))
    struct RoundTripTests {
        @Test("create, import, start, backup, edit, backup again, restore: everything comes back")
        func wholeLife() async throws {
            try await TestHost.run { host in
                let volume = host.project()
                let path = host.layout.volume(volume.project)
                let created = try await host.hub.perform(
                    .volumeCreate, VolumeInput(volume: volume))
                #expect(created.state == .succeeded)
                let source = host.directory.path + "/source"
                try await host.shell(Self.tree, in: host.directory.path)
                let imported = try await host.hub.perform(
                    .volumeImport,
                    VolumeImportInput(
                        volume: volume, directory: source, destination: .root, isFaithful: true))
                #expect(imported.state == .succeeded, "\(String(describing: imported.failure))")
                #expect(
                    try await host.listing(of: path) == host.listing(of: source))
                let runtime = RuntimeDescription(
                    command: ["/bin/sh", "-c", "while true; do date +%N >> log; sleep 0.05; done"])
                let input = RuntimeInput(volume: volume, runtime: runtime)
                #expect(try await host.hub.perform(.runtimeStart, input).state == .succeeded)
                #expect(
                    try await host.hub.wait("running") { $0.volumes[volume.project]?.runtime }
                        == .running)
                let first = try await backup(host, volume, base: nil)
                #expect(first.files > 10)
                try await host.shell("rm -r sub; mv one renamed; echo new > new", in: path)
                let second = try await backup(host, volume, base: first.backup)
                #expect(second.addedBytes < first.addedBytes)
                #expect(second.backup.rootTree != first.backup.rootTree)
                #expect(try await host.hub.perform(.runtimeStop, input).state == .succeeded)
                let third = try await backup(host, volume, base: second.backup)
                #expect(third.isCurrent)
                let fresh = try await host.hub.wait("fresh") { state in
                    state.volumes[volume.project].flatMap { $0.freshness == .fresh ? $0 : nil }
                }
                #expect(fresh.base == third.backup.id)
                let before = try await host.listing(of: path)
                try await host.shell("rm -rf ./*", in: path)
                var next = volume
                next.generation = 2
                let receipt = try await host.hub.perform(
                    .volumeRestore,
                    VolumeRestoreInput(volume: next, backup: third.backup, replacesVolume: true)
                ).value(RestoreReceipt.self)
                #expect(receipt.rootTree == third.backup.rootTree)
                #expect(receipt.generation == 2)
                #expect(try await host.listing(of: path) == before)
                #expect(
                    try await host.shell("ls", in: host.layout.trash)
                        == "\(volume.project)-1\n")
                #expect(try await host.shell("ls", in: host.layout.staging) == "")
                let fourth = try await backup(host, next, base: third.backup)
                #expect(fourth.backup.rootTree == third.backup.rootTree)
                #expect(fourth.addedBytes == 0)
            }
        }

        private func backup(
            _ host: TestHost, _ volume: VolumeReference, base: BackupReference?
        ) async throws -> VolumeBackupResult {
            try await host.hub.perform(
                .volumeBackup,
                VolumeBackupInput(
                    volume: volume, backup: .make(), base: base, isFinal: false, tags: [])
            ).value(VolumeBackupResult.self)
        }

        static let tree = """
            mkdir -p source/sub/deep source/empty && cd source
            for i in $(seq 50); do echo "file $i" > sub/f$i; done
            head -c 1500000 /dev/urandom > one
            ln one sub/two; ln -s nowhere dangling; mkfifo fifo; touch zero
            truncate -s 2M sparse; printf x | dd of=sparse seek=1000000 bs=1 conv=notrunc status=none
            setfattr -n user.note -v hello zero; chmod 4755 sub/f1; chown 1234:1234 sub/f2
            touch "$(printf 'new\\nline')" "$(printf 'bad\\377')"
            """
    }
}
