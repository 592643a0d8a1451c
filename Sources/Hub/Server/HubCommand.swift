import Glibc
import Platform
import Postgres
import Shared

/// The command line of `berth-hub`: the composition root of the hub's process.
public enum HubCommand {
    /// Runs a command and answers the process's exit code: 0 done, 1 failure, 2 usage or
    /// configuration, 5 refused, 7 the database cannot be reached.
    ///
    /// - Parameter arguments: the words after the program's name.
    public static func run(arguments: [String]) async -> Int32 {
        let output: LogOutput
        do {
            output = try LogOutput.standardError()
        } catch {
            return 1
        }
        let logger = Logger(output: output)
        do {
            let call = try HubCall(arguments)
            switch call.verb {
            case .help:
                print(HubCall.help)
            case .version:
                print("berth-hub \(SystemRoutes.version)")
            case .checkConfiguration:
                _ = try Configuration.load(dataDirectory: call.dataDirectory)
                print("\(call.dataDirectory)/hub.toml is fine")
            case .initialize:
                try await initialize(call, logger)
            case .serve:
                try await serve(call, logger)
            case .createToken:
                try await createToken(call)
            case .bucketCredentials:
                try await BucketCredentials(call).seal()
            case .verifyLog:
                try await LogCommands(call).verify()
            case .replay:
                try await LogCommands(call).replay()
            case .migrateStatus, .migratePlan, .migrateUp:
                try await MigrateCommands(call).run()
            case .benchRegistry, .benchHosts, .benchOperations:
                try await bench(call, identifiers: identifiers, logger: logger)
            }
            return 0
        } catch let error as UsageError {
            complain("\(error)")
            return 2
        } catch let error as ConfigurationError {
            complain("\(error)")
            return 2
        } catch let error as HubError {
            complain("\(error)")
            switch error.code {
            case .configuration: return 2
            case .dataDirectory, .masterKey, .secret, .bucket: return 5
            case .database: return 7
            case .log: return 1
            }
        } catch {
            complain("\(error)")
            return 1
        }
    }

    private static func bench(
        _ call: HubCall, identifiers: Identifiers, logger: Logger
    ) async throws {
        let configuration = try Configuration.load(dataDirectory: call.dataDirectory)
        let parts = BenchParts { name in
            unsafe getenv(name).map { unsafe String(cString: $0) }
        }
        if call.verb == .benchHosts {
            try await HostBench(
                directory: HubDirectory(path: call.dataDirectory), configuration: configuration,
                identifiers: identifiers, process: call.process, parts: parts
            ).run()
        } else if call.verb == .benchOperations {
            try await OperationBench(
                directory: call.dataDirectory, peers: call.peers, parts: parts,
                configuration: configuration, identifiers: identifiers, log: logger
            ).run()
        } else {
            try await RegistryBench(
                directory: call.dataDirectory, parts: parts, configuration: configuration,
                identifiers: identifiers, log: logger
            ).run()
        }
    }

    private static func initialize(_ call: HubCall, _ logger: Logger) async throws {
        let directory = HubDirectory(path: call.dataDirectory)
        try directory.create()
        let configuration = try Configuration.load(dataDirectory: call.dataDirectory)
        let lock = try directory.hold()
        defer { extendLifetime(lock) }
        let setup = HubSetup(
            configuration: configuration, directory: directory, identifiers: identifiers)
        let outcome = try await setup.run()
        print("The hub in \(directory.path) is ready (\(outcome.timeline)).")
        if let file = outcome.tokenFile {
            print("The first admin token is in \(file) and works once:")
            print("  berth login --token-file \(file) --name you")
        }
        print(
            "Keep a copy of \(configuration.masterKeyFile) in a safe place: no backup opens without it."
        )
        print("Start the hub: berth-hub serve --data \(directory.path)")
    }

    private static func serve(_ call: HubCall, _ logger: Logger) async throws {
        HeapMemory.keep()
        let directory = HubDirectory(path: call.dataDirectory)
        try directory.requireExists()
        let configuration = try Configuration.load(dataDirectory: call.dataDirectory)
        let lock = try directory.hold()
        defer { extendLifetime(lock) }
        try Signals.ignorePipeAndHangUp()
        let termination = try Signals.termination()
        let server = HubServer(
            configuration: configuration, directory: directory, identifiers: identifiers,
            logger: logger,
            listening: { address in logger.info("listening", ["address": .string(address)]) })
        try await server.run(until: termination)
        logger.info("stopped")
    }

    /// Makes another single-use admin token on the hub's machine, for whoever lost theirs.
    private static func createToken(_ call: HubCall) async throws {
        let directory = HubDirectory(path: call.dataDirectory)
        try directory.requireExists()
        let configuration = try Configuration.load(dataDirectory: call.dataDirectory)
        let authority = try Authority.load(directory)
        let database = try Database(configuration, directory: directory)
        let pool = PostgresPool(database.options)
        let token = BearerToken(new: .bootstrap)
        let id = identifiers.make(TokenIdentity.self)
        try await pool.withTransaction { transaction in
            try await TokenStore(transaction).insert(
                id: id, kind: .bootstrap, hash: token.hash, name: "berth-hub token create",
                host: nil, lifetimeSeconds: 3600)
        }
        await pool.close()
        print(
            try JoinToken(
                hubs: configuration.publicAddresses, fingerprint: authority.fingerprint,
                secret: token.text
            ).written())
    }

    private static var identifiers: Identifiers {
        Identifiers(
            now: { UTCTime.now().millisecondsSinceEpoch },
            random: {
                var random = Random(); return random.next()
            })
    }

    private static func complain(_ message: String) {
        let line = Array("berth-hub: \(message)\n".utf8)
        // There is nobody to tell that standard error is closed.
        _ = unsafe write(2, line, line.count)
    }
}
