import Platform
import Postgres

/// `berth-hub verify-log` and `berth-hub replay`.
struct LogCommands: Sendable {
    private let call: HubCall
    private let directory: HubDirectory
    private let database: Database

    init(_ call: HubCall) throws {
        self.call = call
        directory = HubDirectory(path: call.dataDirectory)
        database = try Database(
            try Configuration.load(dataDirectory: call.dataDirectory), directory: directory)
    }

    /// Checks the hash chain.
    ///
    /// - Throws: `HubError` `.log` that names the first event that is not as it was appended.
    func verify() async throws {
        try await withConnection { connection in
            switch try await LogVerification(connection: connection).run(anchor: call.anchor) {
            case .whole(let head):
                print("The log is whole: \(head.sequence) events.")
                if head.sequence > 0 {
                    let hash = hexadecimal(head.hash)
                    print("Keep this elsewhere and compare with it later:")
                    print("  berth-hub verify-log --expect \(head.sequence):\(hash)")
                }
            case .missing(let first, let last):
                let what = first == last ? "event \(first) is" : "events \(first) to \(last) are"
                throw HubError(.log, "\(what) missing from the log", hint: Self.hint)
            case .changed(let sequence, let type):
                throw HubError(
                    .log,
                    "event \(sequence) (\(type)) is not what was appended: it or its link to the "
                        + "event before it was changed", hint: Self.hint)
            case .rewritten(let anchor):
                throw HubError(
                    .log,
                    "the log is whole, and not the one that was checked earlier: event "
                        + "\(anchor.head.sequence) has another hash or is not there",
                    hint: Self.hint)
            }
        }
    }

    /// Rebuilds the registry from the log.
    ///
    /// - Throws: `HubError` `.log` when it differs and was not put right.
    func replay() async throws {
        try await withConnection { connection in
            let outcome = try await RegistryReplay(connection: connection).run(
                onlyCompares: call.onlyCompares)
            print("\(outcome.events) events replayed, up to \(outcome.sequence).")
            for difference in outcome.differences {
                print(
                    "\(difference.table): \(difference.extra) rows that the log does not have, "
                        + "\(difference.missing) missing, \(difference.changed) different: "
                        + difference.examples.joined(separator: ", "))
            }
            guard outcome.unknown == 0 else {
                throw HubError(
                    .log,
                    "\(outcome.unknown) events are of a newer program and were left out; nothing "
                        + "was changed", hint: "replay with the newer berth-hub")
            }
            guard outcome.isPutRight || outcome.differences.isEmpty else {
                throw HubError(
                    .log, "the registry is not what its log says",
                    hint: "berth-hub replay without --check puts it right")
            }
            print(
                outcome.isPutRight
                    ? "The registry was put right."
                    : "The registry is what its log says, byte for byte.")
        }
    }

    private static let hint =
        "compare with a dump of the database from before, and restore what is missing from it"

    /// One connection as the owner of the tables, without limits on how long a statement takes.
    private func withConnection(
        _ body: (PostgresConnection) async throws -> Void
    ) async throws {
        try await database.whileRunning(directory) {
            var options = database.owner
            options.statementTimeout = nil
            options.lockTimeout = .seconds(60)
            options.idleInTransactionTimeout = nil
            let connection = try await PostgresConnection.connect(options)
            do {
                try await body(connection)
                await connection.close()
            } catch {
                await connection.close()
                throw error
            }
        }
    }
}

/// Bytes in lower-case hexadecimal.
func hexadecimal(_ bytes: [UInt8]) -> String {
    let digits = Array("0123456789abcdef".utf8)
    return String(
        decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
}
