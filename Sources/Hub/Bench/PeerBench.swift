import Platform
import Postgres

/// Other queues on PostgreSQL, on databases of their own in the same cluster.
struct PeerBench: Sendable {
    /// What runs one peer; empty runs none.
    let command: [String]
    let cluster: PrivateCluster

    private static let settings: [(peer: String, values: [Int])] = [
        ("awa", [64, 256]), ("awa-rings", [256]), ("pgqueuer", [100, 500]),
        ("procrastinate", [10, 30]),
    ]

    /// The best peer at its best setting; nil without peers.
    func drain(count: Int) async throws -> BenchRun? {
        guard !command.isEmpty else { return nil }
        var best: (name: String, run: BenchRun)?
        for (peer, _) in Self.settings where peer != "procrastinate" {
            guard let run = try await drain(peer, count: count) else { continue }
            if run.rate > best?.run.rate ?? 0 { best = (peer, run) }
        }
        if let best { print("the best peer is \(best.name)") }
        return best?.run
    }

    /// One peer at its best setting.
    func drain(_ peer: String, count: Int) async throws -> BenchRun? {
        guard !command.isEmpty,
            let settings = Self.settings.first(where: { $0.peer == peer })
        else { return nil }
        var best: BenchRun?
        for value in settings.values {
            let said = try await run(peer, "drain", ["\(count)", "\(value)"], "\(value)")
            guard let rate = said["rate"], let wal = said["wal"] else { continue }
            print("\(peer) at \(value): \(Int(rate)) operations/s, \(Int(wal)) bytes of log each")
            if rate > best?.rate ?? 0 { best = BenchRun(rate: rate, walBytes: wal) }
        }
        if let best {
            let name = peer.replacing("-", with: "_")
            figure("operations_per_second_\(name)", best.rate, "operations/s")
        }
        return best
    }

    /// How long each takes from enqueuing to running.
    func wake() async throws {
        guard !command.isEmpty else { return }
        for (peer, _) in Self.settings where peer != "awa-rings" {
            let said = try await run(peer, "wake", ["300"], "wake")
            guard let half = said["p50"], let most = said["p99"] else { continue }
            figure("wakeup_ms_p50_\(peer)", half, "ms")
            figure("wakeup_ms_p99_\(peer)", most, "ms")
        }
    }

    private func run(
        _ peer: String, _ mode: String, _ arguments: [String], _ suffix: String
    ) async throws -> [String: Double] {
        let database = "\(peer.replacing("-", with: "_"))_\(mode)_\(suffix)"
        try await cluster.createDatabase(database)
        let place = cluster.connectionOptions(database: database).parameters
        let conninfo = ["host", "dbname", "user"].compactMap { key in
            place[key].map { "\(key)=\($0)" }
        }.joined(separator: " ")
        let result = try await ChildProcess.run(
            command[0], Array(command.dropFirst()) + [peer, mode, conninfo] + arguments,
            deadline: .seconds(150))
        guard result.isSuccess else {
            print("\(peer) could not be measured: \(result.errorText.suffix(300))")
            return [:]
        }
        var said: [String: Double] = [:]
        for line in result.text.split(separator: "\n") {
            let words = line.split(separator: " ")
            if words.count == 2, let value = Double(words[1]) { said[String(words[0])] = value }
        }
        return said
    }
}
