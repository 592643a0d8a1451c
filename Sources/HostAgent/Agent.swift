import HTTP
import Platform
import Shared

/// The agent as a service: everything that runs side by side, made in one place.
struct Agent: Sendable {
    private let host: Work.Host
    private let configuration: AgentConfiguration
    private let identity: Identity

    /// Opens the ledger, finds what an earlier run left, and looks at the file system.
    static func open(_ directory: DataDirectory, logger: Logger) async throws -> Agent {
        let configuration = try AgentConfiguration.read(directory.configuration)
        let identity = try Identity.read(directory)
        let ledger = try await Ledger.open(directory, creates: false)
        guard ledger.id == identity.ledger else {
            throw AgentError(
                .ledger,
                "\(directory.ledger) is \(ledger.id), and this host joined with "
                    + "\(identity.ledger); restore the right file, or join anew")
        }
        let pool = BlockingPool(label: "berth.files", width: 8)
        let storage = Storage(
            root: directory.root(of: configuration.storage), ledger: ledger.id, pool: pool)
        do {
            try await FilesystemMount(directory: directory, storage: configuration.storage)
                .mountIfNeeded()
        } catch {
            // The agent goes on and says so with every heartbeat.
            logger.error(
                "The file system cannot be mounted.", ["error": .init(describing: error)])
        }
        _ = await storage.check()
        let runtimes = try await Runtimes.adopt(
            ledger: ledger, directory: directory, pool: pool)
        let host = Work.Host(
            id: identity.host, directory: directory,
            hub: try hubClient(directory, configuration), ledger: ledger, storage: storage,
            runtimes: runtimes,
            observer: VolumeObserver(ledger: ledger, storage: storage, runtimes: runtimes),
            gate: ProjectGate(),
            bases: BaseCaches(directory: directory, pool: pool, logger: logger), pool: pool,
            logger: logger)
        return Agent(host: host, configuration: configuration, identity: identity)
    }

    private static func hubClient(
        _ directory: DataDirectory, _ configuration: AgentConfiguration
    ) throws -> HubClient {
        var options = HTTPClientOptions()
        options.trust = .authorities(pem: try DurableFile.read(directory.authority))
        options.userAgent = "berth-agent/\(AgentVersion.text)"
        let token = try DurableFile.read(directory.token, limitBytes: 4096)
        let text = token.filter { $0 > 0x20 }
        return HubClient(
            addresses: configuration.hubs, http: try HTTPClient(options: options),
            token: SecretBytes(text))
    }

    /// Works until a termination is asked for.
    func run(until termination: AsyncStream<Int32>) async throws {
        let logger = host.logger
        let runtimes = await host.runtimes.runningCount
        logger.info(
            "The agent starts.",
            [
                "host": .string(identity.name), "version": .string(AgentVersion.text),
                "runtimes": .integer(Int64(runtimes)),
            ])
        try await recover()
        let services: [any Service] = [
            AgentServices(host: host, configuration: configuration, identity: identity),
            ObservationService(host: host), RuntimeSupervisor(host: host), host.bases.builds,
        ]
        try await runServices(services, until: termination)
        await host.ledger.close()
        logger.info("The agent has stopped; the projects' processes go on.")
    }

    /// Cleans up or finishes what a crash left, then says what is here.
    private func recover() async throws {
        let old = Timestamp(milliseconds: Timestamp.now().milliseconds - 30 * 86_400_000)
        try await host.ledger.forgetOperations(acceptedBefore: old)
        if let trouble = host.storage.trouble {
            host.logger.error(
                "The file system cannot be used; nothing is done with it.",
                ["why": .string(trouble)])
            return
        }
        try await StagingCleanup(host: host).recover()
        try await host.observer.reportInventory()
    }
}
