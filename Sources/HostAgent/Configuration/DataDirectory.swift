import Platform
import Repository
import Shared

/// The agent's data directory: what is where, and who this host is.
struct DataDirectory: Sendable {
    /// Its absolute path.
    let path: String

    /// - Throws: `AgentError` with code `usage` when the path is not absolute.
    init(_ path: String) throws {
        guard path.hasPrefix("/") else {
            throw AgentError(.usage, "--data \(path) must be an absolute path")
        }
        self.path = path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
    }

    var configuration: String { path + "/agent.toml" }
    var identity: String { path + "/identity.json" }
    var token: String { path + "/token" }
    var authority: String { path + "/ca.pem" }
    var ledger: String { path + "/ledger.sqlite" }
    var lock: String { path + "/lock" }
    /// Where the agent mounts its own loop image.
    var mountPoint: String { path + "/btrfs" }
    /// What the projects' processes write.
    var logs: String { path + "/logs" }
    /// What is kept of the projects' bases; may be deleted at any time.
    var caches: String { path + "/cache" }

    /// What is kept of the index of a project's repository; may be deleted at any time.
    func indexCache(of project: ProjectID, _ pool: BlockingPool) -> IndexCache {
        IndexCache(directory: "\(caches)/\(project).index", pool: pool)
    }

    /// The root of the btrfs file system.
    func root(of storage: AgentConfiguration.Storage) -> String {
        switch storage {
        case .loopImage: mountPoint
        case .mount(let path): path
        }
    }
}
