import Glibc
import Platform
import Shared
import Testing

@testable import HostAgent

extension HostTests {
    @Suite("What an agent refuses", .timeLimit(.minutes(5)))
    struct RefusalTests {
        @Test("work on a file system that is unmounted, without an inventory that says all is gone")
        func unmounted() async throws {
            try await TestHost.run { host in
                let volume = try await host.filledProject()
                try await host.kill()
                let inventories = host.hub.state.withLock { $0.inventories.count }
                // The image is not to be found, as after a disk failure.
                try await host.shell(
                    "umount btrfs; losetup -d $(losetup -nO NAME -j ../image); mv ../image ../gone",
                    in: host.data)
                try await host.shell("mkdir ../image", in: host.data)
                try await host.start()
                let trouble = try await host.hub.wait("trouble") { $0.status?.trouble }
                #expect(trouble.contains(host.data + "/btrfs"))
                let outcome = try await host.hub.perform(
                    .volumeCreate, VolumeInput(volume: host.project()))
                #expect(outcome.failure?.code == "storage-trouble")
                #expect(outcome.failure?.class == .retryable)
                #expect(host.hub.state.withLock { $0.inventories.count } == inventories)
                #expect(host.hub.state.withLock { $0.volumes[volume.project] } != nil)
                try await host.kill()
                try await host.shell("rmdir ../image; mv ../gone ../image", in: host.data)
                try await host.start()
                #expect(
                    try await host.hub.wait("inventory") { state in
                        state.inventories.count > inventories ? state.inventories.last : nil
                    }.volumes.map(\.project) == [volume.project])
            }
        }

        @Test(
            "work on a file system with another ledger's marker, or none", arguments: [true, false])
        func marker(isMissing: Bool) async throws {
            try await TestHost.run(starts: false) { host in
                let layout = host.layout
                if isMissing {
                    try await host.shell("rm .berth", in: layout.root)
                } else {
                    let marker = try Marker.read(layout)
                    try Marker(filesystem: marker.filesystem, ledger: .make()).write(layout)
                }
                try await host.start()
                let trouble = try await host.hub.wait("trouble") { $0.status?.trouble }
                #expect(trouble.contains(isMissing ? ".berth" : "belong to"))
                #expect(host.hub.state.withLock { $0.inventories.isEmpty })
                let outcome = try await host.hub.perform(
                    .volumeCreate, VolumeInput(volume: host.project()))
                #expect(outcome.failure?.code == "storage-trouble")
                let check = try await host.command(["check", "--data", host.data])
                #expect(check.exit == .code(5), "\(check.text)")
            }
        }

        @Test("orders of a lower generation, and volumes of an older one than the order's")
        func generations() async throws {
            try await TestHost.run { host in
                var volume = host.project(generation: 3)
                _ = try await host.hub.perform(.volumeCreate, VolumeInput(volume: volume))
                volume.generation = 2
                let older = try await host.hub.perform(.volumeThaw, VolumeInput(volume: volume))
                #expect(older.failure?.code == "generation-outdated")
                volume.generation = 4
                let newer = try await host.hub.perform(.volumeThaw, VolumeInput(volume: volume))
                #expect(newer.failure?.code == "volume-outdated")
                volume.generation = 2
                let retire = try await host.hub.perform(
                    .volumeRetire,
                    VolumeRetireInput(volume: volume, coveringBackup: .make(), isDeletion: false))
                #expect(retire.failure?.code == "generation-outdated")
                volume.generation = 3
                let uncovered = try await host.hub.perform(
                    .volumeRetire,
                    VolumeRetireInput(volume: volume, coveringBackup: nil, isDeletion: false))
                #expect(uncovered.failure?.code == "cover-missing")
                let again = try await host.hub.perform(.volumeCreate, VolumeInput(volume: volume))
                #expect(again.state == .succeeded)
            }
        }

        @Test("to go on with work whose lease cannot be renewed, and to run a command twice")
        func lease() async throws {
            try await TestHost.run(leaseMilliseconds: 1500) { host in
                let volume = try await host.filledProject()
                host.hub.state.withLock { $0.answersHeartbeats = false }
                let input = VolumeExecuteInput(
                    volume: volume, command: ["sh", "-c", "echo begun >> begun; sleep 1000"],
                    asRoot: false, timeoutSeconds: 600)
                let operation = try host.hub.submit(.volumeExecute, input)
                let begun = host.layout.volume(volume.project) + "/begun"
                _ = try await host.contents(of: begun)
                try await withDeadline(.seconds(30), "the work stops") {
                    while try !ProcessTable.processes(ofUser: volume.uid).isEmpty {
                        try await ContinuousClock().sleep(for: .milliseconds(5))
                    }
                }
                #expect(host.hub.state.withLock { $0.outcomes[operation] } == nil)
                host.hub.state.withLock { $0.answersHeartbeats = true }
                host.hub.requeue(operation)
                let outcome = try await host.hub.outcome(of: operation)
                #expect(outcome.failure?.code == "command-interrupted")
                #expect(try await host.contents(of: begun) == "begun\n")
                #expect(try ProcessTable.processes(ofUser: volume.uid).isEmpty)
            }
        }
    }
}
