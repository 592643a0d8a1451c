import Glibc
import Platform
import Repository
import Shared
import Testing

@testable import HostAgent

extension HostTests {
    /// The agent dies behind a step that is durable, before it does anything else.
    ///
    /// strace holds it there. A sample here, every step in `make soak-repository`.
    @Suite("An agent killed after a durable step", .timeLimit(.minutes(30)))
    struct DurableStepCrashTests {
        enum Work: String, CaseIterable {
            case backup
            case restoreOnBase
            case restoreFromNothing

            /// The steps of a sample; a later one is taken where the work has fewer.
            var sample: [Int] {
                switch self {
                case .backup: [3, 8]
                case .restoreOnBase: [6, 13]
                case .restoreFromNothing: [9]
                }
            }
        }

        /// No work has so many.
        private static let stepLimit = 400

        @Test("goes on to a backup or restore that is whole", arguments: Work.allCases)
        func steps(of work: Work) async throws {
            let isSoak = unsafe getenv("BERTH_SOAK_SEEDS") != nil
            let steps = isSoak ? Array(1...Self.stepLimit) : work.sample
            try await TestHost.run { host in
                var project = try await LocalStateTests.TwoBackups(host)
                var last = project.second
                for step in steps {
                    let died: Bool
                    switch work {
                    case .backup:
                        (died, last) = try await Self.backup(host, project, last, step)
                    case .restoreOnBase, .restoreFromNothing:
                        (died, last) = try await Self.restore(host, &project, last, step, work)
                    }
                    if !died {
                        #expect(step > 10, "the work has only \(step - 1) steps")
                        if isSoak { print("\(work): killed after each of \(step - 1) steps") }
                        break
                    }
                }
            }
        }

        private static func backup(
            _ host: TestHost, _ project: LocalStateTests.TwoBackups, _ last: BackupReference,
            _ step: Int
        ) async throws -> (Bool, BackupReference) {
            let path = host.layout.volume(project.volume.project)
            try await host.shell(
                "echo \(step) >> sub/f1; echo \(step) > sub/new\(step); rm -f sub/new\(step - 1)",
                in: path)
            let (died, outcome) = try await interrupt(host, after: step) {
                try host.hub.submit(
                    .volumeBackup,
                    VolumeBackupInput(
                        volume: project.volume, backup: .make(), base: last, isFinal: false,
                        tags: []))
            }
            let result = try outcome.value(VolumeBackupResult.self)
            try await host.expectNothingLeft(project.volume)
            // What is kept would show here: a wrong base or cache misses a change.
            try await host.shell("echo after \(step) >> sub/f2", in: path)
            let next = try await host.backup(project.volume, base: result.backup)
            try await expectWhole(host, project.volume, next.backup, "step \(step)")
            return (died, next.backup)
        }

        private static func restore(
            _ host: TestHost, _ project: inout LocalStateTests.TwoBackups,
            _ last: BackupReference, _ step: Int, _ work: Work
        ) async throws -> (Bool, BackupReference) {
            project.volume.generation += 1
            let wanted = last == project.second ? project.first : project.second
            let (died, outcome) = try await interrupt(host, after: step) { [project] in
                try host.hub.submit(
                    .volumeRestore,
                    VolumeRestoreInput(
                        volume: project.volume, backup: wanted, replacesVolume: true,
                        isFromNothing: work == .restoreFromNothing))
            }
            let receipt = try outcome.value(RestoreReceipt.self)
            #expect(receipt.rootTree == wanted.rootTree, "step \(step)")
            let path = host.layout.volume(project.volume.project)
            #expect(
                try await host.listing(of: path) == project.listings[wanted.id], "step \(step)")
            try await host.expectNothingLeft(project.volume)
            try await host.shell("touch -d @\(step) sub/f4; echo x > sub/more", in: path)
            let next = try await host.backup(project.volume, base: wanted)
            try await expectWhole(host, project.volume, next.backup, "step \(step)")
            try await host.shell("rm -rf \(host.layout.trash)/* || true", in: path)
            return (died, wanted)
        }

        private static func expectWhole(
            _ host: TestHost, _ volume: VolumeReference, _ backup: BackupReference, _ what: String
        ) async throws {
            let polynomial = try await host.hub.repository(of: volume.project).config.polynomial
            let slow = try SlowReference.rootTree(
                of: host.layout.volume(volume.project), polynomial: polynomial)
            #expect(slow.id.hex == backup.rootTree, "\(what)")
        }

        /// Kills the agent after its nth durable step from now on, if it does so many until the
        /// operation has ended.
        private static func interrupt(
            _ host: TestHost, after step: Int, _ submit: () throws -> OperationID
        ) async throws -> (Bool, OperationOutcome) {
            let agent = try #require(host.process)
            let told = "\(host.directory.path)/tracer-\(step)"
            let log = try Descriptor(
                opening: told, flags: O_WRONLY | O_CREAT | O_TRUNC | O_APPEND)
            let tracer = try await SpawnedProcess.start(
                "/usr/bin/python3", ["-c", killer, "\(agent.pid)", "\(step)"], log: log)
            _ = try await host.contents(of: told)
            let operation = try submit()
            let died = try await withDeadline(.seconds(120), "the operation or its end") {
                while true {
                    let text = String(decoding: try DurableFile.read(told), as: UTF8.self)
                    if text.contains("killed") { return true }
                    if host.hub.state.withLock({ $0.outcomes[operation] != nil }) { return false }
                    try await ContinuousClock().sleep(for: .milliseconds(2))
                }
            }
            if !died { try tracer.signal(SIGTERM) }
            _ = try await tracer.wait()
            // Its last step may also have come just behind the operation's outcome.
            if String(decoding: try DurableFile.read(told), as: UTF8.self).contains("killed") {
                try await host.kill()
                try await host.start()
            }
            return (died, try await host.hub.outcome(of: operation))
        }

        /// Follows all threads of a process; each that returns from a durable step is held for a
        /// moment, in which the process is killed if it was the step that is asked for.
        private static let killer = """
            import os, signal, subprocess, sys
            agent, last = int(sys.argv[1]), int(sys.argv[2])
            steps = "fsync,fdatasync,syncfs,rename,renameat,renameat2,unlink,unlinkat,ftruncate,ioctl"
            volumes = ("SNAP_CREATE", "SNAP_DESTROY", "SUBVOL_CREATE", "SUBVOL_SETFLAGS", "_SYNC")
            tracer = subprocess.Popen(
                ["strace", "-f", "-p", str(agent), "-e", "trace=" + steps, "-e", "signal=none",
                 "-e", "inject=" + steps + ":delay_exit=10000"],
                stderr=subprocess.PIPE, text=True)
            signal.signal(signal.SIGTERM, lambda number, frame: tracer.terminate())
            seen, told = 0, False
            for line in tracer.stderr:
                if "attached" in line:
                    if not told: print("ready", flush=True)
                    told = True
                elif "<unfinished" not in line and (
                        "ioctl" not in line or any(name in line for name in volumes)):
                    seen += 1
                    if seen == last:
                        os.kill(agent, signal.SIGKILL)
                        print("killed", flush=True)
            tracer.wait()
            """
    }
}
