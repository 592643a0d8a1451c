import Platform
import Testing

@testable import Postgres

@Suite("Listening for notifications", .timeLimit(.minutes(2)))
struct PostgresNotificationsTests {
    private func next(
        _ iterator: inout AsyncStream<PostgresNotifications.Event>.Iterator
    ) async throws -> PostgresNotifications.Event {
        let event = await iterator.next(isolation: #isolation)
        return try #require(event)
    }

    private func isReconnected(_ event: PostgresNotifications.Event) -> Bool {
        if case .reconnected = event { true } else { false }
    }

    private func isDisconnected(_ event: PostgresNotifications.Event) -> Bool {
        if case .disconnected = event { true } else { false }
    }

    @Test("brings messages of its channels, those of a transaction only when it commits")
    func messages() async throws {
        let options = try await TestDatabases.shared.make()
        let bell = PostgresNotifications(options, channels: ["berth", "odd \"name\""])
        let pool = PostgresPool(options)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await bell.run() }
            var events = bell.events.makeAsyncIterator()
            let first = try await next(&events)
            #expect(isReconnected(first))
            try await pool.withConnection { try await $0.notify("other", payload: "not ours") }
            struct Refused: Error {}
            await #expect(throws: Refused.self) {
                try await pool.withTransaction { transaction in
                    try await transaction.notify("berth", payload: "rolled back")
                    throw Refused()
                }
            }
            try await pool.withTransaction { try await $0.notify("berth", payload: "ring ☎") }
            try await pool.withConnection { try await $0.notify("odd \"name\"") }
            for expected in [("berth", "ring ☎"), ("odd \"name\"", "")] {
                guard case .notification(let message) = try await next(&events) else {
                    Issue.record("a message should have come")
                    return
                }
                #expect(message.channel == expected.0)
                #expect(message.payload == expected.1)
            }
            group.cancelAll()
            try await group.waitForAll()
            let end = await events.next()
            #expect(end == nil)
        }
        await pool.close()
    }

    @Test("begins again when its connection is ended, and says so")
    func reconnects() async throws {
        let options = try await TestDatabases.shared.make()
        let bell = PostgresNotifications(
            options, channels: ["berth"], backoff: Backoff(base: .milliseconds(5)))
        let connection = try await PostgresConnection.connect(options)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await bell.run() }
            var events = bell.events.makeAsyncIterator()
            _ = try await next(&events)
            for round in 1...3 {
                try await connection.query(
                    """
                    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                    WHERE datname = current_database() AND pid <> pg_backend_pid()
                    """)
                var event = try await next(&events)
                #expect(isDisconnected(event))
                while isDisconnected(event) { event = try await next(&events) }
                #expect(isReconnected(event))
                try await connection.notify("berth", payload: "\(round)")
                guard case .notification(let message) = try await next(&events) else {
                    Issue.record("a message should have come")
                    return
                }
                #expect(message.payload == "\(round)")
            }
            group.cancelAll()
            try await group.waitForAll()
        }
        await connection.close()
    }

    @Test("survives a restart of the server")
    func serverRestart() async throws {
        try await withOwnCluster { cluster in
            let bell = PostgresNotifications(
                cluster.connectionOptions(database: "postgres"), channels: ["berth"],
                backoff: Backoff(base: .milliseconds(5), cap: .milliseconds(50)))
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await bell.run() }
                var events = bell.events.makeAsyncIterator()
                _ = try await next(&events)
                try await cluster.stopImmediately()
                let lost = try await next(&events)
                #expect(isDisconnected(lost))
                try await cluster.start()
                while isDisconnected(try await next(&events)) {}
                let connection = try await PostgresConnection.connect(
                    cluster.connectionOptions(database: "postgres"))
                try await connection.notify("berth", payload: "back")
                var event = try await next(&events)
                while isReconnected(event) || isDisconnected(event) {
                    event = try await next(&events)
                }
                guard case .notification(let message) = event else { return }
                #expect(message.payload == "back")
                await connection.close()
                group.cancelAll()
                try await group.waitForAll()
            }
        }
    }

    @Test("drops the oldest when nobody reads, and then tells the reader to poll")
    func overflow() async throws {
        let options = try await TestDatabases.shared.make()
        let bell = PostgresNotifications(options, channels: ["berth"], limit: 4)
        let connection = try await PostgresConnection.connect(options)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await bell.run() }
            var events = bell.events.makeAsyncIterator()
            _ = try await next(&events)
            try await connection.query(
                "SELECT pg_notify('berth', n::text) FROM generate_series(1, 100) AS n")
            var seen = 0
            var isTold = false
            reading: while true {
                switch try await next(&events) {
                case .reconnected: isTold = true
                case .disconnected: Issue.record("the connection should have held")
                case .notification(let message):
                    seen += 1
                    if message.payload == "100" { break reading }
                }
            }
            #expect(seen <= 100)
            #expect(seen == 100 || isTold)
            group.cancelAll()
            try await group.waitForAll()
        }
        await connection.close()
    }
}
