import Glibc
import Platform

/// A PostgreSQL server of the program's own in a directory, reachable only through a Unix socket
/// that nobody but its user and root can open.
///
/// The server outlives the program when that is killed; the next `start()` takes it up again.
/// Starting it again after a crash is the caller's decision: `wait()` tells of its end.
public actor PrivateCluster {
    private let paths: ClusterPaths
    private let user: String
    private let wantedBinaries: ServerBinaries?
    private let settings: [String: String]
    private let diesWithParent: Bool
    private var process: SpawnedProcess?

    /// The superuser of a private cluster.
    public static let superuser = "postgres"

    /// Names a cluster; nothing happens yet.
    ///
    /// - Parameters:
    ///   - dataDirectory: an absolute path; made when missing. Every directory above it must be
    ///     open (mode x) to `user`.
    ///   - user: who the server runs as when this program is root, default `postgres`.
    ///   - binaries: the server's programs, default the newest of Debian's, or those of the
    ///     version that made the cluster.
    ///   - settings: further server settings, which win over those made here.
    ///   - diesWithParent: whether the server is killed when this program ends, default false.
    public init(
        dataDirectory: String, user: String = "postgres", binaries: ServerBinaries? = nil,
        settings: [String: String] = [:], diesWithParent: Bool = false
    ) {
        paths = ClusterPaths(root: dataDirectory)
        self.user = user
        wantedBinaries = binaries
        self.settings = settings
        self.diesWithParent = diesWithParent
    }

    /// How to reach a database of this cluster.
    ///
    /// - Parameter user: a role of the cluster; default its superuser.
    nonisolated public func connectionOptions(
        database: String, user: String = PrivateCluster.superuser
    ) -> PostgresOptions {
        PostgresOptions(host: paths.socketDirectory, database: database, user: user)
    }

    /// Makes the cluster (initdb) unless it is there; after a crash in the middle it begins anew.
    ///
    /// - Throws: `PostgresError` `.cluster`; `PlatformError`; `CancellationError`.
    public func initialize() async throws {
        let owner = try ClusterOwner.identity(of: user)
        try ClusterOwner.makeDirectory(paths.root, owner: owner)
        guard try paths.majorVersion() == nil else { return }
        let binaries = try wantedBinaries ?? ServerBinaries.find()
        if unsafe access(paths.unfinished, F_OK) == 0 { try removeTree(at: paths.unfinished) }
        let result = try await ChildProcess.run(
            "\(binaries.directory)/initdb",
            [
                "--pgdata=\(paths.unfinished)", "--username=\(PrivateCluster.superuser)",
                "--encoding=UTF8", "--locale=C.UTF-8", "--data-checksums",
                "--auth-local=trust", "--auth-host=reject",
            ],
            environment: PrivateCluster.environment, directory: "/", user: owner,
            deadline: .seconds(120))
        guard result.isSuccess else {
            throw PostgresError(
                code: .cluster,
                message: "initdb in \(paths.root) failed (\(result.exit)): "
                    + LibpqResult.trimmed(result.errorText)
                    + ". The directories above it must be open to user \(user)")
        }
        try systemCall("rename \(paths.unfinished)") { unsafe rename(paths.unfinished, paths.data) }
        try DurableFile.syncDirectory(of: paths.data)
    }

    /// Starts the server, or takes up the one that runs in this directory already, and returns
    /// when it answers.
    ///
    /// - Parameter limit: how long it may take, crash recovery included; default 2 minutes.
    /// - Throws: `PostgresError` `.cluster` with the end of the server's log, `.timeout`;
    ///   `PlatformError`; `CancellationError`, with the server then stopped.
    public func start(within limit: Duration = .seconds(120)) async throws {
        guard process?.exit != nil || process == nil else { return }
        guard let version = try paths.majorVersion() else {
            throw PostgresError(
                code: .cluster, message: "there is no cluster in \(paths.root); initialize it")
        }
        let deadline = ContinuousClock.now + limit
        if let running = try ClusterProcesses.postmaster(of: paths) {
            process = running
            do {
                let patience = min(deadline, .now + .seconds(15))
                if try await becomesReady(running, until: patience) { return }
            } catch let error as PostgresError where error.code == .cluster {
                // It was just ending; a new one follows.
            }
            try await stop()
        }
        try await ClusterProcesses.clear(paths, until: deadline)
        let binaries =
            try wantedBinaries.flatMap { $0.majorVersion == version ? $0 : nil }
            ?? ServerBinaries.find(majorVersion: version)
        let started = try await launch(binaries)
        process = started
        do {
            guard try await becomesReady(started, until: deadline) else {
                throw PostgresError(
                    code: .timeout,
                    message: "the server in \(paths.root) did not answer within \(limit): "
                        + lastLogLines())
            }
        } catch {
            try await stop()
            throw error
        }
    }

    /// Stops the server; running transactions are rolled back (fast shutdown).
    ///
    /// One that does not obey is stopped without a checkpoint (immediate shutdown), then killed.
    /// Not interrupted by cancellation.
    ///
    /// - Parameter patience: how long a fast shutdown may take; default 30 seconds.
    /// - Throws: `PlatformError` when it cannot be signalled.
    public func stop(patience: Duration = .seconds(30)) async throws {
        try await end(with: [
            (SIGINT, patience), (SIGQUIT, min(patience, .seconds(10))), (SIGKILL, .seconds(10)),
        ])
    }

    /// Stops the server without a checkpoint; its next start recovers from the log.
    ///
    /// - Throws: `PlatformError` when it cannot be signalled.
    public func stopImmediately() async throws {
        try await end(with: [(SIGQUIT, .seconds(10)), (SIGKILL, .seconds(10))])
    }

    /// Waits until the server ends, for whatever reason; at once when it does not run.
    ///
    /// - Throws: `CancellationError`.
    public func wait() async throws {
        guard let process else { return }
        _ = try await process.wait()
    }

    /// Whether the server runs and answers.
    public func isReady() async -> Bool {
        guard let process, process.exit == nil else { return false }
        // Whatever the reason, it does not answer.
        return (try? await greet()) != nil
    }

    /// The server's process id, while it runs.
    public var processID: Int32? {
        guard let process, process.exit == nil else { return nil }
        return process.pid
    }

    /// Makes a database unless it is there.
    ///
    /// - Throws: as `PostgresConnection.query`.
    public func createDatabase(_ name: String) async throws {
        let connection = try await PostgresConnection.connect(
            connectionOptions(database: "postgres"))
        do {
            try await connection.query("CREATE DATABASE \(identifier: name)")
        } catch let error as PostgresError where error.sqlState == "42P04" {
            // It is there already.
        }
        await connection.close()
    }

    // MARK: Starting

    private static let environment = [
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC",
    ]

    private func launch(_ binaries: ServerBinaries) async throws -> SpawnedProcess {
        let owner = try ClusterOwner.identity(of: user)
        try ClusterOwner.makeDirectory(paths.socketDirectory, owner: owner)
        var server = [
            "listen_addresses": "", "unix_socket_directories": paths.socketDirectory,
            "unix_socket_permissions": "0700", "port": "5432", "max_connections": "100",
            "shared_buffers": "64MB", "fsync": "on", "jit": "off",
            // The whole pages that follow a checkpoint are most of the log otherwise.
            "wal_compression": "lz4",
            // Errors of statements go to whoever sent them, not into a file that grows.
            "log_min_messages": "log", "log_checkpoints": "off", "logging_collector": "off",
            "log_destination": "stderr", "log_line_prefix": "%m [%p] ",
        ]
        server.merge(settings) { _, theirs in theirs }
        let arguments = server.sorted { $0.key < $1.key }.flatMap {
            ["-c", "\($0.key)=\($0.value)"]
        }
        let log = try openLog()
        return try await SpawnedProcess.start(
            "\(binaries.directory)/postgres", ["-D", paths.data] + arguments,
            environment: PrivateCluster.environment, directory: "/", user: owner, log: log,
            diesWithParent: diesWithParent)
    }

    /// The log begins anew when it has grown beyond 8 MiB; one old one is kept.
    private func openLog() throws -> Descriptor {
        var status = stat()
        if unsafe lstat(paths.log, &status) == 0, status.st_size > 8 << 20 {
            try systemCall("rename \(paths.log)") { unsafe rename(paths.log, paths.oldLog) }
        }
        return try Descriptor(
            opening: paths.log, flags: O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, mode: 0o600)
    }

    /// Asks until it answers: false when it does not in time.
    private func becomesReady(
        _ process: SpawnedProcess, until deadline: ContinuousClock.Instant
    ) async throws -> Bool {
        while ContinuousClock.now < deadline {
            if let exit = process.exit {
                throw PostgresError(
                    code: .cluster,
                    message: "the server in \(paths.root) ended (\(exit)): " + lastLogLines())
            }
            do {
                try await greet()
                return true
            } catch is PostgresError {
                try await Task.sleep(for: .milliseconds(20))
            }
        }
        return false
    }

    private func greet() async throws {
        var options = connectionOptions(database: "postgres")
        options.connectTimeout = .seconds(2)
        let connection = try await PostgresConnection.connect(options)
        await connection.close()
    }

    private func lastLogLines() -> String {
        // The log is a help for whoever reads the error; without it the error still stands.
        let bytes = (try? DurableFile.read(paths.log, limitBytes: 16 << 20)) ?? []
        let lines = String(decoding: bytes.suffix(2000), as: UTF8.self).split(separator: "\n")
        return "\(paths.log): " + lines.suffix(4).joined(separator: " | ")
    }

    // MARK: Stopping

    private func end(with steps: [(signal: Int32, patience: Duration)]) async throws {
        if process == nil { process = try ClusterProcesses.postmaster(of: paths) }
        guard let process else { return }
        for step in steps where process.exit == nil {
            try process.signal(step.signal)
            _ = await process.waitUninterrupted(atMost: step.patience)
        }
        self.process = nil
    }
}
