import Platform
import Shared
import Testing

@testable import HostAgent

extension TestHost {
    /// A project with a volume that holds the awkward tree and 3 MB.
    func filledProject() async throws -> VolumeReference {
        let volume = project()
        let created = try await hub.perform(.volumeCreate, VolumeInput(volume: volume))
        try #require(created.state == .succeeded, "\(String(describing: created.failure))")
        let path = layout.volume(volume.project)
        try await shell(HostTests.RoundTripTests.tree, in: directory.path)
        try await shell(
            "cp -a source/. \(path)/ && head -c 2000000 /dev/urandom > \(path)/large",
            in: directory.path)
        try await shell(
            "chown \(volume.uid):\(volume.gid) . && chmod 700 . && rm -r \(directory.path)/source",
            in: path)
        return volume
    }

    func backup(
        _ volume: VolumeReference, base: BackupReference?, isFinal: Bool = false
    ) async throws -> VolumeBackupResult {
        try await hub.perform(
            .volumeBackup,
            VolumeBackupInput(
                volume: volume, backup: .make(), base: base, isFinal: isFinal, tags: [])
        ).value(VolumeBackupResult.self)
    }

    /// Nothing in staging, nothing half a base, nothing hidden in the volume.
    func expectNothingLeft(_ volume: VolumeReference) async throws {
        #expect(try await shell("ls -A", in: layout.staging) == "")
        #expect(try await shell("ls -A", in: layout.bases) == "\(volume.project)\n")
        #expect(
            try await shell(
                "ls -A | grep berth-staging || true", in: layout.volume(volume.project)) == "")
    }

    /// The backup comes back, whole, as another project would see it after a move.
    func restoresElsewhere(_ backup: BackupReference, as volume: VolumeReference) async throws {
        var next = volume
        next.generation += 1
        let receipt = try await hub.perform(
            .volumeRestore,
            VolumeRestoreInput(volume: next, backup: backup, replacesVolume: true)
        ).value(RestoreReceipt.self)
        #expect(receipt.rootTree == backup.rootTree)
    }

    /// What a file holds, as soon as it holds anything.
    func contents(of path: String) async throws -> String {
        try await withDeadline(.seconds(30), "something in \(path)") {
            while true {
                // Not there yet is what is waited for.
                if let bytes = try? DurableFile.read(path), !bytes.isEmpty {
                    return String(decoding: bytes, as: UTF8.self)
                }
                try await ContinuousClock().sleep(for: .milliseconds(5))
            }
        }
    }

    /// What is kept of a project's base, once it is of this backup: it is made behind the answer.
    func kept(_ project: ProjectID, of backup: BackupReference) async throws -> BaseCache {
        try await withDeadline(.seconds(30), "what is kept of the base") { [self] in
            while true {
                // A copy, because nobody else opens the file while it is being made.
                _ = try await shell(
                    "rm -rf ../copy && mkdir ../copy && cp \(project).base* ../copy || true",
                    in: "\(data)/cache")
                let copy = try await BaseCache.open("\(data)/copy/\(project).base")
                // A copy of what is being made may be anything.
                let header = try? await copy.header()
                await copy.close()
                if header?.backup == backup.id {
                    return try await BaseCache.open("\(data)/cache/\(project).base")
                }
                try await ContinuousClock().sleep(for: .milliseconds(50))
            }
        }
    }
}
