import Platform

/// `berth-agent run`: the service.
struct RunCommand: Sendable {
    let data: String

    func run() async throws {
        HeapMemory.keep()
        let termination = try Signals.termination()
        let directory = try DataDirectory(data)
        let lock = try FileLock(path: directory.lock, purpose: "run the agent")
        // Held to the end: two agents over one ledger would both believe that they own the volumes.
        defer { extendLifetime(lock) }
        let logger = Logger(output: try LogOutput.standardError())
        let agent = try await Agent.open(directory, logger: logger)
        try await agent.run(until: termination)
    }
}
