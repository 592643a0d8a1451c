import Platform
import Shared
import Testing

@testable import HostAgent

extension HostTests {
    @Suite("A command in a project", .timeLimit(.minutes(3)))
    struct ExecuteTests {
        @Test("is the project's: what it leaves behind as another user ends with the next stop")
        func leavesNothing() async throws {
            try await TestHost.run { host in
                let volume = host.project()
                _ = try await host.hub.perform(.volumeCreate, VolumeInput(volume: volume))
                let outcome = try await host.hub.perform(
                    .volumeExecute,
                    VolumeExecuteInput(
                        volume: volume,
                        command: [
                            "sh", "-c",
                            "setsid sleep 4242 >/dev/null 2>&1 </dev/null & echo $! > left",
                        ], asRoot: true, timeoutSeconds: 60))
                #expect(outcome.state == .succeeded, "\(String(describing: outcome.failure))")
                let text = try await host.contents(
                    of: host.layout.volume(volume.project) + "/left")
                let left = try #require(Int32(text.filter(\.isNumber)))
                #expect(Self.runs(left))
                let stopped = try await host.hub.perform(
                    .runtimeStop,
                    RuntimeInput(volume: volume, runtime: RuntimeDescription(command: [])))
                #expect(stopped.state == .succeeded, "\(String(describing: stopped.failure))")
                #expect(!Self.runs(left))
            }
        }

        /// Whether a process still runs; one that nobody has waited for yet has no command line.
        private static func runs(_ pid: Int32) -> Bool {
            // Not there is the answer no.
            let line = try? DurableFile.read("/proc/\(pid)/cmdline", limitBytes: 65_536)
            return line?.isEmpty == false
        }
    }
}
