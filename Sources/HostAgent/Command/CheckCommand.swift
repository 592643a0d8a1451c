import HTTP
import Platform
import SQLite
import Shared

/// `berth-agent check`: says whether everything that the agent needs is there.
struct CheckCommand: Sendable {
    let data: String
    let say: @Sendable (String) -> Void

    /// - Returns: 0 when all is well, else the exit code of the first trouble.
    func run() async throws -> Int32 {
        let directory = try DataDirectory(data)
        let configuration = try AgentConfiguration.read(directory.configuration)
        say("ok       configuration \(directory.configuration)")
        let identity = try Identity.read(directory)
        say("ok       host \(identity.name) (\(identity.host))")
        var code: Int32 = 0
        func note(_ what: String, _ trouble: (any Error)?, _ failure: Int32) {
            if let trouble {
                say("trouble  \(what): \(trouble)")
                if code == 0 { code = failure }
            } else {
                say("ok       \(what)")
            }
        }
        let ledger = await Self.attempt {
            let ledger = try await Ledger.open(directory, creates: false)
            let wrong = try await ledger.database.integrityCheck()
            guard wrong.isEmpty else {
                throw AgentError(.ledger, "damaged: \(wrong.joined(separator: "; "))")
            }
            await ledger.close()
        }
        note("ledger \(directory.ledger)", ledger, 1)
        let root = directory.root(of: configuration.storage)
        let storage = Storage(
            root: root, ledger: identity.ledger,
            pool: BlockingPool(label: "berth.files", width: 1))
        _ = await storage.check()
        note("file system \(root)", storage.trouble.map { AgentError(.storage, $0) }, 5)
        for hub in configuration.hubs {
            let trouble = await Self.attempt { try await Self.reach(hub, directory) }
            note("hub \(hub)", trouble, 7)
        }
        return code
    }

    private static func reach(_ hub: String, _ directory: DataDirectory) async throws {
        var options = HTTPClientOptions()
        options.trust = .authorities(pem: try DurableFile.read(directory.authority))
        let http = try HTTPClient(options: options)
        let response = try await http.send(
            HTTPClientRequest(url: hub + "/livez", deadline: .seconds(10)))
        _ = try await response.body.collect(limitBytes: 64 << 10)
        guard response.status == 200 else {
            throw AgentError(.unreachable, "it answers with status \(response.status)")
        }
    }

    private static func attempt(_ body: () async throws -> Void) async -> (any Error)? {
        do {
            try await body()
            return nil
        } catch {
            return error
        }
    }
}
