import CPostgres
import Glibc
import Platform

/// One libpq connection, driven without blocking inside libpq.
///
/// Every wait is a poll(2) of the socket and of the interrupt, with a deadline. It belongs to one
/// actor.
@safe final class LibpqSession {
    private let connection: OpaquePointer
    /// Set by the notice receiver when the server has said farewell.
    private let hasEnded: UnsafeMutablePointer<Int32>
    private let interrupt: Interrupt
    /// How long the server may take to obey a cancellation before the connection is given up.
    private let cancelGrace: Duration = .seconds(5)
    /// Beyond the server's own limit: when a statement is given up although the server is silent.
    private let silenceLimit: Duration?
    private(set) var isBroken = false

    /// Connects (PQconnectStartParams, PQconnectPoll).
    ///
    /// - Throws: `PostgresError` `.connectionFailed` or `.timeout`; `CancellationError`.
    init(options: PostgresOptions, interrupt: Interrupt) throws {
        self.interrupt = interrupt
        silenceLimit = options.statementTimeout.map { $0 + .seconds(10) }
        let keys = CStringTable(options.keywords.map(\.0))
        let values = CStringTable(options.keywords.map(\.1))
        let started = unsafe keys.withPointers { keys in
            unsafe values.withPointers { values in
                unsafe PQconnectStartParams(keys, values, 1)
            }
        }
        guard let started = unsafe started else {
            throw PostgresError(code: .connectionFailed, message: "out of memory in libpq")
        }
        unsafe connection = unsafe started
        unsafe hasEnded = .allocate(capacity: 1)
        unsafe hasEnded.initialize(to: 0)
        unsafe berth_pg_watch_notices(connection, hasEnded)
        do {
            try finishConnecting(options)
            guard unsafe PQsetnonblocking(connection, 1) == 0 else { throw lost("set up") }
            _ = try script(options.sessionSetup)
        } catch let error as PostgresError where error.code == .connectionLost {
            throw PostgresError(code: .connectionFailed, message: error.message)
        }
    }

    deinit {
        unsafe PQfinish(connection)
        unsafe hasEnded.deallocate()
    }

    /// The socket's number, for a look at whether an idle connection has something to say.
    var socket: Int32 { unsafe PQsocket(connection) }

    /// The connection is not used again.
    func giveUp() { isBroken = true }

    /// What stops a running statement.
    func cancelRequest() -> CancelRequest? { unsafe CancelRequest(connection) }

    /// Where the connection stands with regard to transactions (PQtransactionStatus).
    var transactionStatus: PGTransactionStatusType { unsafe PQtransactionStatus(connection) }

    private func finishConnecting(_ options: PostgresOptions) throws {
        let deadline = PollDeadline(after: options.connectTimeout)
        var events = Int16(POLLOUT)
        while true {
            guard unsafe PQstatus(connection) != CONNECTION_BAD else { throw refused(options) }
            switch try wait(for: events, until: deadline) {
            case .ready: break
            case .interrupted: throw CancellationError()
            case .deadline:
                throw PostgresError(
                    code: .timeout,
                    message: "no connection to \(options) within \(options.connectTimeout)")
            }
            switch unsafe PQconnectPoll(connection) {
            case PGRES_POLLING_OK: return
            case PGRES_POLLING_READING: events = Int16(POLLIN)
            case PGRES_POLLING_WRITING: events = Int16(POLLOUT)
            default: throw refused(options)
            }
        }
    }

    private func refused(_ options: PostgresOptions) -> PostgresError {
        // libpq quotes the part of a malformed string that it stumbled over: maybe a password.
        let reason =
            LibpqSession.isWellFormed(options.conninfo)
            ? libpqMessage : "its connection string is malformed"
        return PostgresError(
            code: .connectionFailed, message: "cannot connect to \(options): \(reason)")
    }

    private static func isWellFormed(_ conninfo: String) -> Bool {
        guard let parsed = unsafe PQconninfoParse(conninfo, nil) else { return false }
        unsafe PQconninfoFree(parsed)
        return true
    }

    private var libpqMessage: String {
        guard let text = unsafe PQerrorMessage(connection) else { return "no reason given" }
        return LibpqResult.trimmed(unsafe String(cString: text))
    }

    // MARK: Statements

    /// Prepares a statement under a name (PQsendPrepare).
    func prepare(name: String, sql: String, types: [PostgresType]) throws {
        let oids = types.map { Oid($0.rawValue) }
        try send("prepare") {
            unsafe PQsendPrepare(connection, name, sql, Int32(oids.count), oids)
        }
        _ = try collect()
    }

    /// Runs a prepared statement (PQsendQueryPrepared).
    func execute(name: String, parameters: ParameterTable) throws -> PostgresResult {
        try send("execute") {
            unsafe parameters.withPointers { values, lengths, formats in
                unsafe PQsendQueryPrepared(
                    connection, name, Int32(parameters.count), values, lengths, formats, 0)
            }
        }
        return try collect()
    }

    /// Runs one or several statements without parameters (PQsendQuery).
    ///
    /// They are one transaction unless the text says otherwise. The answer is the last statement's.
    func script(_ sql: String) throws -> PostgresResult {
        guard !sql.utf8.contains(0) else {
            throw PostgresError(code: .invalidParameter, message: "the script holds a NUL byte")
        }
        try send("script") { unsafe PQsendQuery(connection, sql) }
        return try collect()
    }

    /// Runs a prepared statement and COMMIT in one exchange (libpq's pipeline mode): the server goes
    /// from one to the other without waiting for this side.
    ///
    /// - Returns: COMMIT's answer.
    func executeAndCommit(name: String, parameters: ParameterTable) throws -> PostgresResult {
        guard unsafe PQenterPipelineMode(connection) == 1 else { throw lost("pipeline") }
        try send("commit") {
            let isSent = unsafe parameters.withPointers { values, lengths, formats in
                unsafe PQsendQueryPrepared(
                    connection, name, Int32(parameters.count), values, lengths, formats, 0)
            }
            guard isSent == 1,
                unsafe PQsendQueryParams(connection, "COMMIT", 0, nil, nil, nil, nil, 0) == 1
            else { return 0 }
            return unsafe PQpipelineSync(connection)
        }
        let answer = try collectPipeline()
        guard unsafe PQexitPipelineMode(connection) == 1 else { throw lost("pipeline") }
        return answer
    }

    /// Reads every result up to the pipeline's end, and throws the first error among them.
    private func collectPipeline() throws -> PostgresResult {
        var last = PostgresResult(rows: [], affectedRows: 0, commandTag: "", columns: [])
        var failure: PostgresError?
        var deadline = PollDeadline(after: silenceLimit)
        var isAtEnd = false
        while !isAtEnd {
            try waitForResult(&deadline)
            guard let result = unsafe PQgetResult(connection) else {
                // Between two statements; a connection that broke gives nothing more.
                guard !isBroken, unsafe PQstatus(connection) == CONNECTION_OK else { break }
                continue
            }
            let answer = unsafe LibpqResult(owning: result)
            switch answer.status {
            case PGRES_COMMAND_OK, PGRES_TUPLES_OK: last = answer.copied()
            case PGRES_PIPELINE_SYNC: isAtEnd = true
            case PGRES_PIPELINE_ABORTED: break
            default:
                if failure == nil { failure = answer.failure() }
                if answer.isFatal { isBroken = true }
            }
        }
        if !isAtEnd || isBroken {
            isBroken = true
            var broken = PostgresError(
                code: .connectionLost, message: failure?.message ?? libpqMessage)
            broken.sqlState = failure?.sqlState
            throw broken
        }
        guard let failure else { return last }
        guard unsafe PQexitPipelineMode(connection) == 1 else { throw lost("pipeline") }
        throw failure
    }

    private func send(_ what: String, _ call: () -> Int32) throws {
        guard call() == 1 else { throw lost(what) }
        let deadline = PollDeadline(after: silenceLimit)
        while true {
            let flushed = unsafe PQflush(connection)
            if flushed == 0 { return }
            guard flushed > 0 else { throw lost(what) }
            // While the server sends it may not read, so both directions are served.
            switch try wait(for: Int16(POLLOUT | POLLIN), until: deadline) {
            case .ready, .interrupted: break
            case .deadline: throw lost(what, "the server does not read")
            }
            guard unsafe PQconsumeInput(connection) == 1 else { throw lost(what) }
        }
    }

    /// Reads every result of what was sent and throws the first error among them.
    private func collect() throws -> PostgresResult {
        var last = PostgresResult(rows: [], affectedRows: 0, commandTag: "", columns: [])
        var failure: PostgresError?
        var deadline = PollDeadline(after: silenceLimit)
        while true {
            try waitForResult(&deadline)
            guard let result = unsafe PQgetResult(connection) else { break }
            let answer = unsafe LibpqResult(owning: result)
            switch answer.status {
            case PGRES_COMMAND_OK, PGRES_TUPLES_OK, PGRES_EMPTY_QUERY:
                last = answer.copied()
            case PGRES_COPY_IN, PGRES_COPY_OUT, PGRES_COPY_BOTH:
                throw lost("COPY", "COPY is not supported here")
            default:
                if failure == nil { failure = answer.failure() }
                if answer.isFatal { isBroken = true }
            }
        }
        if unsafe PQstatus(connection) == CONNECTION_BAD { isBroken = true }
        if var failure {
            if isBroken {
                let sqlState = failure.sqlState
                failure = PostgresError(code: .connectionLost, message: failure.message)
                failure.sqlState = sqlState
            }
            throw failure
        }
        return last
    }

    private func waitForResult(_ deadline: inout PollDeadline) throws {
        while unsafe PQisBusy(connection) == 1 {
            switch try wait(for: Int16(POLLIN), until: deadline) {
            case .ready:
                guard unsafe PQconsumeInput(connection) == 1 else {
                    // What the server said last may already be there: let PQgetResult tell it.
                    isBroken = true
                    return
                }
            case .interrupted:
                deadline = PollDeadline(deadline, PollDeadline(after: cancelGrace))
            case .deadline:
                throw lost("statement", "the server does not answer")
            }
        }
    }

    // MARK: Notifications

    /// Waits until notifications are there, and takes them (PQnotifies).
    ///
    /// - Throws: `CancellationError` when interrupted; `PostgresError` `.connectionLost`.
    func notifications() throws -> [PostgresNotification] {
        while true {
            var found: [PostgresNotification] = []
            while let message = unsafe PQnotifies(connection) {
                unsafe found.append(
                    PostgresNotification(
                        channel: String(cString: message.pointee.relname),
                        payload: String(cString: message.pointee.extra)))
                unsafe PQfreemem(message)
            }
            if !found.isEmpty { return found }
            switch try wait(for: Int16(POLLIN), until: PollDeadline(after: nil)) {
            case .ready:
                guard unsafe PQconsumeInput(connection) == 1 else { throw lost("listen") }
            case .interrupted, .deadline: throw CancellationError()
            }
        }
    }

    /// Whether an idle connection is still whole: reads what the server may have sent meanwhile.
    func isWholeWhileIdle() -> Bool {
        guard !isBroken, transactionStatus == PQTRANS_IDLE else { return false }
        var polled = pollfd(fd: unsafe PQsocket(connection), events: Int16(POLLIN), revents: 0)
        while unsafe poll(&polled, 1, 0) > 0 {
            guard unsafe PQconsumeInput(connection) == 1 else { return false }
            // Takes in what was read, and hands a farewell to the notice receiver.
            _ = unsafe PQisBusy(connection)
            guard unsafe hasEnded.pointee == 0 else { return false }
        }
        return unsafe PQstatus(connection) == CONNECTION_OK
    }

    // MARK: Waiting

    private enum Wake { case ready, interrupted, deadline }

    private func wait(for events: Int16, until deadline: PollDeadline) throws -> Wake {
        let socket = unsafe PQsocket(connection)
        guard socket >= 0 else { throw lost("wait") }
        while true {
            var polled = [
                pollfd(fd: socket, events: events, revents: 0),
                pollfd(fd: interrupt.wakeup, events: Int16(POLLIN), revents: 0),
            ]
            let count = unsafe poll(&polled, 2, deadline.pollMilliseconds)
            if count < 0 {
                guard errno == EINTR else {
                    throw lost("wait", "poll: \(describe(errno: errno))")
                }
                continue
            }
            if polled[1].revents != 0 {
                interrupt.drain()
                return .interrupted
            }
            if polled[0].revents != 0 { return .ready }
            if deadline.hasPassed { return .deadline }
        }
    }

    private func lost(_ what: String, _ reason: String? = nil) -> PostgresError {
        isBroken = true
        return PostgresError(
            code: .connectionLost, message: "connection lost (\(what)): \(reason ?? libpqMessage)")
    }
}
