import Glibc
import Platform
import Testing

@testable import Postgres

/// Runs `body` with a started cluster of its own.
func withOwnCluster(_ body: (PrivateCluster) async throws -> Void) async throws {
    let directory = try ClusterDirectory()
    let cluster = PrivateCluster(
        dataDirectory: directory.path + "/postgres", settings: ["shared_buffers": "8MB"],
        diesWithParent: true)
    try await cluster.initialize()
    try await cluster.start()
    do {
        try await body(cluster)
    } catch {
        try await cluster.stopImmediately()
        throw error
    }
    try await cluster.stopImmediately()
}

/// A temporary directory that the server's user may walk through.
private struct ClusterDirectory {
    private let directory: TemporaryDirectory
    var path: String { directory.path }

    init() throws {
        directory = try TemporaryDirectory(prefix: "berth-cluster")
        let path = directory.path
        try systemCall("chmod \(path)") { unsafe chmod(path, 0o711) }
    }
}

@Suite("A private cluster", .timeLimit(.minutes(3)))
struct PrivateClusterTests {
    private func cluster(_ directory: ClusterDirectory, name: String = "data") -> PrivateCluster {
        PrivateCluster(
            dataDirectory: "\(directory.path)/\(name)", settings: ["shared_buffers": "8MB"],
            diesWithParent: true)
    }

    private func one(_ cluster: PrivateCluster, _ query: PostgresQuery) async throws -> String {
        let connection = try await PostgresConnection.connect(
            cluster.connectionOptions(database: "postgres"))
        let answer = try await connection.query(query).rows[0][0].decode(String.self)
        await connection.close()
        return answer
    }

    @Test("keeps what was committed across stop, start and being killed")
    func lifeCycle() async throws {
        let directory = try ClusterDirectory()
        let cluster = cluster(directory)
        try await cluster.initialize()
        try await cluster.initialize()
        #expect(await !cluster.isReady())
        try await cluster.start()
        try await cluster.start()
        #expect(await cluster.isReady())
        try await cluster.createDatabase("berth")
        try await cluster.createDatabase("berth")
        let connection = try await PostgresConnection.connect(
            cluster.connectionOptions(database: "berth"))
        try await connection.execute(script: "CREATE TABLE t (a int); INSERT INTO t VALUES (1)")
        try await cluster.stop()
        #expect(await !cluster.isReady())
        #expect(await cluster.processID == nil)

        try await cluster.start()
        let pid = try #require(await cluster.processID)
        let second = try await PostgresConnection.connect(
            cluster.connectionOptions(database: "berth"))
        try await second.query("INSERT INTO t VALUES (2)")
        kill(pid, SIGKILL)
        try await cluster.wait()
        #expect(await !cluster.isReady())
        try await cluster.start()
        let third = try await PostgresConnection.connect(
            cluster.connectionOptions(database: "berth"))
        let count = try await third.query("SELECT count(*) FROM t").rows[0][0].decode(Int.self)
        #expect(count == 2)
        await third.close()
        try await cluster.stop()
        try await cluster.stop()
    }

    @Test("listens on no network, writes durably, and belongs to nobody but its user")
    func closed() async throws {
        let directory = try ClusterDirectory()
        let cluster = cluster(directory)
        try await cluster.initialize()
        try await cluster.start()
        #expect(try await one(cluster, "SHOW listen_addresses") == "")
        #expect(try await one(cluster, "SHOW fsync") == "on")
        #expect(try await one(cluster, "SHOW data_checksums") == "on")
        #expect(try await one(cluster, "SHOW max_connections") == "100")
        for name in ["data", "data/cluster", "data/socket"] {
            var status = stat()
            let path = "\(directory.path)/\(name)"
            try systemCall("stat") { unsafe lstat(path, &status) }
            #expect(status.st_mode & 0o777 == 0o700)
            #expect(status.st_uid != 0)
        }
        try await cluster.stop()
    }

    @Test("that an earlier run left running is taken up")
    func adopted() async throws {
        let directory = try ClusterDirectory()
        let first = cluster(directory)
        try await first.initialize()
        try await first.start()
        let second = cluster(directory)
        try await second.start()
        #expect(await second.processID == first.processID)
        #expect(await second.isReady())
        try await second.stop()
        try await first.wait()
        #expect(await first.processID == nil)
    }

    @Test("that hangs is replaced")
    func hangs() async throws {
        let directory = try ClusterDirectory()
        let first = cluster(directory)
        try await first.initialize()
        try await first.start()
        let pid = try #require(await first.processID)
        kill(pid, SIGSTOP)
        let second = cluster(directory)
        // Stopped processes do not take SIGINT: only the last step, SIGKILL, ends this one.
        try await second.stop(patience: .milliseconds(50))
        try await second.start()
        #expect(await second.processID != pid)
        #expect(await second.isReady())
        try await second.stop()
    }

    @Test("starts although a stale lock file names a living process")
    func staleLock() async throws {
        let directory = try ClusterDirectory()
        let cluster = cluster(directory)
        try await cluster.initialize()
        let lock = "\(directory.path)/data/cluster/postmaster.pid"
        try DurableFile.write(Array("\(getpid())\n".utf8), to: lock)
        try await cluster.start()
        #expect(await cluster.isReady())
        try await cluster.stop()
    }

    @Test("that was half made is made anew")
    func halfMade() async throws {
        let directory = try ClusterDirectory()
        let cluster = cluster(directory)
        try await cluster.initialize()
        let data = "\(directory.path)/data/cluster"
        try systemCall("rename") { unsafe rename(data, data + ".initializing") }
        try await cluster.initialize()
        try await cluster.start()
        #expect(await cluster.isReady())
        try await cluster.stop()
    }

    @Test("with a long path has its socket elsewhere, always at the same place")
    func longPath() async throws {
        let directory = try ClusterDirectory()
        let name = String(repeating: "long", count: 30)
        let cluster = cluster(directory, name: name)
        let paths = ClusterPaths(root: "\(directory.path)/\(name)")
        #expect(paths == ClusterPaths(root: "\(directory.path)/\(name)"))
        #expect(paths.socketDirectory.utf8.count <= ClusterPaths.longestSocketDirectory)
        try await cluster.initialize()
        try await cluster.start()
        #expect(await cluster.isReady())
        try await cluster.stop()
        try removeTree(at: paths.socketDirectory)
    }

    @Test("that cannot start says why, with the server's own words")
    func refused() async throws {
        let directory = try ClusterDirectory()
        let cluster = PrivateCluster(
            dataDirectory: "\(directory.path)/data", settings: ["shared_buffers": "nonsense"],
            diesWithParent: true)
        let early = try await #require(throws: PostgresError.self) { try await cluster.start() }
        #expect(early.message.contains("initialize"))
        try await cluster.initialize()
        let error = try await #require(throws: PostgresError.self) { try await cluster.start() }
        #expect(error.code == .cluster)
        #expect(error.message.contains("shared_buffers"))
    }

    @Test("needs server programs and an unprivileged user, and says how to get them")
    func missing() async throws {
        #expect(throws: PostgresError.self) {
            try ServerBinaries.find(majorVersion: 3)
        }
        #expect(throws: PostgresError.self) {
            try ServerBinaries.find(in: "/nonexistent")
        }
        #expect(try ServerBinaries.find().majorVersion >= 15)
        if geteuid() == 0 {
            #expect(throws: PostgresError.self) { try ClusterOwner.identity(of: "no-such-user") }
            #expect(throws: PostgresError.self) { try ClusterOwner.identity(of: "root") }
        }
    }
}
