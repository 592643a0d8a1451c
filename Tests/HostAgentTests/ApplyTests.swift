import Platform
import Shared
import Testing

@testable import HostAgent

extension HostTests {
    @Suite("A path of a backup put into a project", .timeLimit(.minutes(5)))
    struct ApplyTests {
        private func apply(
            _ host: TestHost, _ backup: BackupReference, to volume: VolumeReference,
            _ source: String, _ destination: String, _ overwrite: Overwrite = .never,
            isFaithful: Bool = false
        ) async throws -> OperationOutcome {
            try await host.hub.perform(
                .volumeApply,
                VolumeApplyInput(
                    volume: volume, copy: nil, backup: backup, source: try ProjectPath(source),
                    destination: try ProjectPath(destination), overwrite: overwrite,
                    isFaithful: isFaithful))
        }

        @Test("arrives in one step, belongs to the project, and replaces only when it may")
        func copies() async throws {
            try await TestHost.run { host in
                let source = try await host.filledProject()
                let backup = try await host.backup(source, base: nil).backup
                let volume = host.project()
                _ = try await host.hub.perform(.volumeCreate, VolumeInput(volume: volume))
                let path = host.layout.volume(volume.project)
                let first = try await apply(host, backup, to: volume, "sub", "a/b/handout")
                #expect(first.state == .succeeded, "\(String(describing: first.failure))")
                #expect(try await host.shell("cat a/b/handout/f7", in: path) == "file 7\n")
                // setuid is gone, and everything is the project's, the made parents too.
                #expect(try await host.shell("find . -perm /6000", in: path) == "")
                #expect(
                    try await host.shell("find . ! -uid \(volume.uid)", in: path) == "")
                try await host.shell("echo own > a/b/handout/own", in: path)
                let refused = try await apply(host, backup, to: volume, "sub", "a/b/handout")
                #expect(refused.failure?.code == "exists")
                #expect(try await host.shell("cat a/b/handout/own", in: path) == "own\n")
                let replaced = try await apply(
                    host, backup, to: volume, "sub", "a/b/handout", .always)
                #expect(replaced.state == .succeeded, "\(String(describing: replaced.failure))")
                #expect(try await host.shell("ls a/b/handout | grep own || true", in: path) == "")
                let kept = host.layout.snapshots(of: volume.project)
                #expect(try await host.shell("cat */a/b/handout/own", in: kept) == "own\n")
                let file = try await apply(host, backup, to: volume, "one", "a/one")
                #expect(file.state == .succeeded, "\(String(describing: file.failure))")
                #expect(try await host.shell("ls -A | grep staging || true", in: path) == "")
                let missing = try await apply(host, backup, to: volume, "nothing", "a/nothing")
                #expect(missing.state == .failed)
                let root = try await apply(host, backup, to: volume, "sub", "")
                #expect(root.failure?.code == "destination-root")
                #expect(try await host.shell("ls -A | grep staging || true", in: path) == "")
            }
        }

        @Test("is never led out of the project by its links")
        func escapes() async throws {
            try await TestHost.run { host in
                let volume = try await host.filledProject()
                let backup = try await host.backup(volume, base: nil).backup
                let outside = host.directory.path + "/outside"
                let path = host.layout.volume(volume.project)
                try await host.shell(
                    """
                    mkdir \(outside); ln -s \(outside) absolute
                    ln -s ../../../../outside relative; mkdir inside; ln -s inside link
                    ln -s \(outside)/file leaf
                    """, in: path)
                for (destination, code) in [
                    ("absolute/x", "path-escapes"), ("relative/x", "path-escapes"),
                    ("absolute/new/x", "path-escapes"), ("one/x", "path-not-directory"),
                    ("leaf", "exists"),
                ] {
                    let outcome = try await apply(host, backup, to: volume, "zero", destination)
                    #expect(outcome.failure?.code == code, "\(destination)")
                }
                let inside = try await apply(host, backup, to: volume, "zero", "link/x")
                #expect(inside.state == .succeeded, "\(String(describing: inside.failure))")
                #expect(try await host.shell("ls inside", in: path) == "x\n")
                let leaf = try await apply(
                    host, backup, to: volume, "sub/f2", "leaf", .always, isFaithful: true)
                #expect(leaf.state == .succeeded, "\(String(describing: leaf.failure))")
                #expect(
                    try await host.shell("stat -c %u:%F leaf", in: path) == "1234:regular file\n")
                #expect(try await host.shell("ls -A", in: outside) == "")
            }
        }
    }
}
