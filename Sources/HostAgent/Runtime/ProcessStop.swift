import Glibc
import Platform
import Shared

/// Ends all processes of a project: its session politely, then everything that is left.
struct ProcessStop: Sendable {
    let project: ProjectProcesses
    /// The leader of the project's session and group; nil when none is known.
    let leader: SpawnedProcess?
    /// How long the group may take after SIGTERM.
    let grace: Duration
    let pool: BlockingPool
    let clock = ContinuousClock()

    /// Works until no process of the project is left.
    ///
    /// - Throws: `Failure` with code `processes-left` when some survive SIGKILL for 10 seconds.
    func run() async throws {
        if let leader {
            try leader.signalGroup(SIGTERM)
            try await waitUntilNone(for: grace)
        }
        let deadline = clock.now.advanced(by: .seconds(10))
        while true {
            let left = try await processes()
            if left.isEmpty { return }
            if clock.now > deadline {
                let pids = left.prefix(10).map(String.init).joined(separator: ", ")
                throw Failure(
                    code: "processes-left",
                    message:
                        "processes of user \(project.uid) do not end, even by SIGKILL: \(pids)",
                    hint: "they probably wait for a device; look at them on the host",
                    class: .retryable)
            }
            for pid in left { kill(pid, SIGKILL) }
            try await clock.sleep(for: .milliseconds(20))
        }
    }

    /// All processes of the project.
    func processes() async throws -> [Int32] {
        let project = project
        return try await pool.run { try project.all() }
    }

    private func waitUntilNone(for limit: Duration) async throws {
        let end = clock.now.advanced(by: limit)
        while clock.now < end {
            if try await processes().isEmpty { return }
            try await clock.sleep(for: .milliseconds(20))
        }
    }
}
