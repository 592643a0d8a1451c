import CPostgres
import Glibc
import Platform

/// One connection to a database. Its calls run one after another on a queue of its own, so that
/// a waiting statement blocks no thread of the cooperative pool.
///
/// Cancelling the task that awaits a call cancels the statement on the server. A connection that
/// broke stays broken: every later call throws `.connectionLost`.
public actor PostgresConnection {
    private let queue: SerialQueue
    private let options: PostgresOptions
    private let interrupt: Interrupt
    private var session: LibpqSession?
    private var statements: PreparedStatements
    /// Prepared statements that were given up while they could not be deallocated.
    private var unwanted: [String] = []
    /// The socket's number while the connection is open, for `hasInput`.
    private let socket = Locked<Int32>(-1)
    /// Counts transactions, so that a handle of an ended one is refused.
    private var transactionNumber = 0
    /// Whether the transaction met a serialization failure or a deadlock, even if swallowed.
    private(set) var hadConflict = false

    nonisolated public var unownedExecutor: UnownedSerialExecutor {
        unsafe queue.asUnownedSerialExecutor()
    }

    private init(_ options: PostgresOptions) throws {
        queue = SerialQueue(label: "berth.postgres")
        self.options = options
        interrupt = try Interrupt()
        statements = PreparedStatements(limit: options.preparedStatementLimit)
    }

    /// Connects.
    ///
    /// - Throws: `PostgresError` `.connectionFailed` or `.timeout`; `CancellationError`.
    public static func connect(_ options: PostgresOptions) async throws -> PostgresConnection {
        let connection = try PostgresConnection(options)
        try await connection.open()
        return connection
    }

    private func open() async throws {
        try Task.checkCancellation()
        let options = self.options
        let interrupt = self.interrupt
        session = try await interruptible(stopsStatement: false) {
            try LibpqSession(options: options, interrupt: interrupt)
        }
        guard let session else { return }
        interrupt.install(session.cancelRequest())
        let number = session.socket
        socket.withLock { $0 = number }
    }

    /// Runs one statement, prepared on this connection the first time its text is seen.
    ///
    /// - Throws: `PostgresError` `.server`, `.timeout`, `.connectionLost`, `.invalidParameter`;
    ///   `CancellationError` when the task was cancelled and the statement with it.
    @discardableResult
    public func query(_ query: PostgresQuery) async throws -> PostgresResult {
        try Task.checkCancellation()
        let parameters = try ParameterTable(query.parameters)
        let key = PreparedStatements.Key(sql: query.sql, types: query.parameters.map(\.type))
        return try await interruptible { try self.run(key, parameters) }
    }

    /// Runs one or several statements without parameters, such as a migration.
    ///
    /// They are one
    /// transaction unless the script begins one itself or one is open.
    ///
    /// - Returns: the answer of the last statement.
    /// - Throws: as `query`.
    @discardableResult
    public func execute(script: String) async throws -> PostgresResult {
        try Task.checkCancellation()
        return try await interruptible { try self.live().script(script) }
    }

    /// Sends a message to whoever listens on `channel` (NOTIFY), at commit when in a transaction.
    ///
    /// - Parameter payload: less than 8 000 bytes; default empty.
    /// - Throws: as `query`.
    public func notify(_ channel: String, payload: String = "") async throws {
        try await query("SELECT pg_notify(\(channel)::text, \(payload)::text)")
    }

    /// Closes the connection; later calls throw `.closed`.
    public func close() {
        session = nil
        isClosed = true
        socket.withLock { $0 = -1 }
        interrupt.install(nil)
    }

    private var isClosed = false
    /// What goes with the commit of the transaction.
    private var last: (PreparedStatements.Key, ParameterTable)?

    /// Whether the connection can no longer be used.
    public var isBroken: Bool { session?.isBroken ?? true }

    // MARK: For the pool and for transactions

    /// Whether the server has sent something although nothing was asked: mostly its end.
    nonisolated var hasInput: Bool {
        socket.withLock { number in
            var polled = pollfd(fd: number, events: Int16(POLLIN), revents: 0)
            return unsafe number < 0 || poll(&polled, 1, 0) != 0
        }
    }

    /// Whether a transaction is open and has not failed.
    var isInTransaction: Bool { session?.transactionStatus == PQTRANS_INTRANS }

    /// Whether an idle connection is still whole.
    func isWholeWhileIdle() -> Bool { session?.isWholeWhileIdle() ?? false }

    /// Begins a transaction and answers its number.
    func begin(_ statement: String) async throws -> Int {
        try Task.checkCancellation()
        hadConflict = false
        _ = try await interruptible { try self.live().script(statement) }
        transactionNumber += 1
        return transactionNumber
    }

    /// Runs a statement of transaction `number`.
    func query(_ query: PostgresQuery, in number: Int) async throws -> PostgresResult {
        guard number == transactionNumber else {
            throw PostgresError(code: .closed, message: "the transaction has ended already")
        }
        return try await self.query(query)
    }

    /// Keeps the statement that goes with the commit of transaction `number`.
    func setLast(_ query: PostgresQuery, in number: Int) throws {
        guard number == transactionNumber else {
            throw PostgresError(code: .closed, message: "the transaction has ended already")
        }
        guard last == nil else {
            throw PostgresError(
                code: .invalidParameter, message: "one statement goes with the commit, not two")
        }
        let parameters = try ParameterTable(query.parameters)
        last = (
            PreparedStatements.Key(sql: query.sql, types: query.parameters.map(\.type)), parameters
        )
    }

    /// Runs a script within transaction `number`.
    func execute(script: String, in number: Int) async throws {
        guard number == transactionNumber else {
            throw PostgresError(code: .closed, message: "the transaction has ended already")
        }
        try await execute(script: script)
    }

    /// Commits; not interrupted by cancellation, so that the outcome is known.
    ///
    /// - Throws: `PostgresError` `.outcomeUnknown` when the connection broke;
    ///   `.transactionAborted` when the server rolled back instead.
    func commit() throws {
        transactionNumber += 1
        do {
            let answer = try last.map { try commit(with: $0, $1) } ?? uninterrupted("COMMIT")
            if answer.commandTag == "ROLLBACK" {
                throw PostgresError(
                    code: .transactionAborted,
                    message: "the transaction was rolled back: a statement in it had failed")
            }
        } catch let error as PostgresError where error.code == .connectionLost {
            var unknown = PostgresError(
                code: .outcomeUnknown,
                message: "the connection broke during COMMIT, which may have happened: "
                    + error.message)
            unknown.sqlState = error.sqlState
            throw unknown
        }
    }

    /// Sends the last statement and COMMIT as one.
    private func commit(
        with key: PreparedStatements.Key, _ parameters: ParameterTable
    ) throws -> PostgresResult {
        last = nil
        let session = try live()
        do {
            return try session.executeAndCommit(
                name: try prepared(key, session), parameters: parameters)
        } catch let error as PostgresError {
            note(error)
            // The statement failed, and COMMIT was not reached.
            if session.transactionStatus == PQTRANS_INERROR { rollback() }
            throw error
        }
    }

    /// Rolls back; not interrupted by cancellation.
    ///
    /// A failure leaves the connection broken.
    func rollback() {
        transactionNumber += 1
        last = nil
        // Where ROLLBACK fails the connection is broken or unfit, and the pool gives it up.
        _ = try? uninterrupted("ROLLBACK")
    }

    /// Waits for messages of LISTEN.
    func notifications() async throws -> [PostgresNotification] {
        try Task.checkCancellation()
        return try await interruptible(stopsStatement: false) {
            try self.live().notifications()
        }
    }

    // MARK: Running

    private func uninterrupted(_ statement: String) throws -> PostgresResult {
        do {
            return try live().script(statement)
        } catch let error as PostgresError {
            note(error)
            throw error
        }
    }

    private func live() throws -> LibpqSession {
        guard let session else {
            throw PostgresError(
                code: isClosed ? .closed : .connectionLost, message: "the connection is closed")
        }
        guard !session.isBroken else {
            throw PostgresError(code: .connectionLost, message: "the connection broke earlier")
        }
        return session
    }

    private func run(
        _ key: PreparedStatements.Key, _ parameters: ParameterTable
    ) throws -> PostgresResult {
        let session = try live()
        do {
            return try session.execute(name: try prepared(key, session), parameters: parameters)
        } catch let error as PostgresError where isStale(error) {
            // The plan's result type changed, or someone deallocated it: prepare anew, and try
            // again at once where the failure has not aborted a transaction.
            if let name = statements.remove(key) { unwanted.append(name) }
            guard session.transactionStatus == PQTRANS_IDLE else { throw error }
            return try session.execute(name: try prepared(key, session), parameters: parameters)
        }
    }

    private func isStale(_ error: PostgresError) -> Bool {
        error.sqlState == "26000"
            || error.sqlState == "0A000" && error.message.contains("cached plan")
    }

    private func prepared(
        _ key: PreparedStatements.Key, _ session: LibpqSession
    ) throws -> String {
        switch statements.lookUp(key) {
        case .known(let name): return name
        case .new(let name):
            try deallocate(session)
            try session.prepare(name: name, sql: key.sql, types: key.types)
            if let old = statements.insert(key, name: name) { unwanted.append(old) }
            return name
        }
    }

    private func deallocate(_ session: LibpqSession) throws {
        guard !unwanted.isEmpty, session.transactionStatus != PQTRANS_INERROR else { return }
        let names = unwanted
        unwanted = []
        for name in names {
            do {
                _ = try session.script("DEALLOCATE \(name)")
            } catch let error as PostgresError where error.sqlState == "26000" {
                continue
            }
        }
    }

    /// Runs `body`, which waits in poll(2), so that cancelling the task interrupts the wait.
    private func interruptible<Answer>(
        stopsStatement: Bool = true, _ body: () throws -> Answer
    ) async throws -> Answer {
        let interrupt = self.interrupt
        let ticket = interrupt.begin()
        return try await withTaskCancellationHandler {
            do {
                let answer = try body()
                // A statement that succeeded before the cancellation reached it has succeeded.
                if interrupt.end(isBroken: isBroken) == .stuck { session?.giveUp() }
                return answer
            } catch {
                let end = interrupt.end(isBroken: isBroken)
                if end == .stuck { session?.giveUp() }
                if let error = error as? PostgresError {
                    note(error)
                    let isOurs = error.sqlState == "57014" || error.code == .connectionLost
                    if end != .undisturbed, isOurs { throw CancellationError() }
                }
                throw error
            }
        } onCancel: {
            interrupt.cancel(ticket, stopsStatement: stopsStatement)
        }
    }

    private func note(_ error: PostgresError) {
        if error.isRetryableConflict { hadConflict = true }
    }
}
