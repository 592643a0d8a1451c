import Platform
import Postgres

/// `berth-hub migrate status | plan | up`.
struct MigrateCommands: Sendable {
    private let call: HubCall
    private let directory: HubDirectory
    private let database: Database

    init(_ call: HubCall) throws {
        self.call = call
        directory = HubDirectory(path: call.dataDirectory)
        database = try Database(
            try Configuration.load(dataDirectory: call.dataDirectory), directory: directory)
    }

    /// - Throws: `HubError` `.database`, also when the database is newer than this program.
    func run() async throws {
        try await database.whileRunning(directory) {
            if call.verb == .migrateUp {
                tell(applied: try await database.migrate().applied)
                return
            }
            let connection = try await PostgresConnection.connect(database.owner)
            do {
                let status = try await database.migrations.check(connection)
                await connection.close()
                tell(status)
            } catch {
                await connection.close()
                throw error
            }
        }
    }

    private func tell(applied: [Int]) {
        for number in applied { print("applied \(name(number))") }
        print("The schema is at \(database.migrations.migrations.count).")
    }

    private func tell(_ status: PostgresMigrations.Status) {
        if call.verb == .migrateStatus {
            for number in status.present { print("applied  \(name(number))") }
            for number in status.applied { print("pending  \(name(number))") }
            return
        }
        guard !status.applied.isEmpty else {
            print("-- nothing to do: the schema is at \(status.present.last ?? 0)")
            return
        }
        for number in status.applied {
            print("-- \(name(number)), in one transaction")
            print(database.migrations.migrations[number - 1].sql)
        }
    }

    private func name(_ number: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, 4 - digits.count)) + digits + " "
            + database.migrations.migrations[number - 1].name
    }
}
