import Platform
import SQLite
import Shared

/// Processes of projects, which outlive the agent and are found again by it.
extension Ledger {
    /// Notes that a project's process is about to be started, so that one that nobody wrote down is
    /// known to be possible after a crash in between.
    func runtimeStarting(_ project: ProjectID, boot: String) async throws {
        try await runtimeStarted(project, RuntimeProcess(pid: 0, startTime: 0, boot: boot))
    }

    /// Notes the process that a project's runtime began with.
    func runtimeStarted(_ project: ProjectID, _ process: RuntimeProcess) async throws {
        let time = UTCTime.now().millisecondsSinceEpoch
        let start = Int64(bitPattern: process.startTime)
        _ = try await database.write { connection in
            try connection.execute(
                """
                insert or replace into runtimes (project, pid, start_time, boot, started_at)
                values (\(project.description), \(process.pid), \(start), \(process.boot), \(time))
                """)
        }
    }

    /// Forgets the process of a project that was stopped.
    func runtimeStopped(_ project: ProjectID) async throws {
        _ = try await database.write { connection in
            try connection.execute(
                "delete from runtimes where project = \(project.description)")
        }
    }

    /// All processes that were started and not stopped; some may have ended by themselves, and of
    /// one whose id is 0 only the start was written down.
    func runtimes() async throws -> [ProjectID: RuntimeProcess] {
        try await database.read { connection in
            var found: [ProjectID: RuntimeProcess] = [:]
            for row in try connection.query("select * from runtimes") {
                guard let project = ProjectID(try row.decode("project", as: String.self)) else {
                    continue
                }
                found[project] = RuntimeProcess(
                    pid: try row.decode("pid"),
                    startTime: UInt64(bitPattern: try row.decode("start_time", as: Int64.self)),
                    boot: try row.decode("boot"))
            }
            return found
        }
    }
}
