import Dispatch
import Glibc
import Platform
import Postgres

/// Stands between libpq and the server's Unix socket, counts the messages that ask the server for
/// an answer (Query, and Sync at the end of an extended query), and cuts the connection at one.
///
/// One thread serves all connections, so that the count is the same on every run of the same work.
final class WireProxy: Sendable {
    /// Where the connection is cut.
    enum Cut: Int, Sendable, CaseIterable {
        /// The server never sees the message.
        case beforeSending
        /// The server has done what the message says, and its answer is lost.
        case afterSending
        /// The answer has come; the next message finds no connection.
        case afterAnswer
    }

    /// Which message is to be cut, counted from 1, and how.
    struct Plan: Sendable, Equatable, CustomStringConvertible {
        var message: Int
        var cut: Cut
        var description: String { "message \(message), \(cut)" }
    }

    private struct State {
        var plan: Plan?
        var messages = 0
        var isStalled = false
        var isDone = false
    }

    /// What the proxy's connections are called; the server is behind it.
    let options: PostgresOptions
    private let directory: TemporaryDirectory
    private let state = Locked(State())
    private let isStopped = Locked(false)
    private let listener: Int32
    private let server: String
    private let queue = DispatchQueue(label: "berth.test.proxy")

    /// - Parameter direct: a server's Unix socket.
    init(to direct: PostgresOptions) throws {
        directory = try TemporaryDirectory(prefix: "proxy")
        let port = direct.parameters["port"] ?? "5432"
        server = (direct.parameters["host"] ?? "") + "/.s.PGSQL.\(port)"
        var through = direct
        through.parameters["host"] = directory.path
        options = through
        listener = try UnixSocket.listen(at: directory.path + "/.s.PGSQL.\(port)")
        queue.async { [weak self] in
            var connections: [WireConnection] = []
            // The owner's end is noticed within one wait.
            while let self, !self.isStopped.withLock({ $0 }) {
                self.turn(&connections)
            }
        }
    }

    deinit {
        close(listener)
    }

    /// Ends the thread within one wait.
    func stop() { isStopped.withLock { $0 = true } }

    /// Counts from the beginning, and cuts as planned.
    func arm(_ plan: Plan?) {
        state.withLock { $0 = State(plan: plan) }
    }

    /// Lets nothing through any more, and says nothing.
    func stall() {
        state.withLock { $0.isStalled = true }
    }

    /// How many messages there have been since `arm`.
    var messages: Int { state.withLock { $0.messages } }
    /// Whether the planned cut has happened.
    var hasCut: Bool { state.withLock { $0.isDone } }

    fileprivate var isStalled: Bool { state.withLock { $0.isStalled } }

    /// Counts a message and says whether it is the one to be cut.
    fileprivate func next() -> Cut? {
        state.withLock { state in
            state.messages += 1
            guard let plan = state.plan, plan.message == state.messages else { return nil }
            state.isDone = true
            return plan.cut
        }
    }

    private func turn(_ connections: inout [WireConnection]) {
        var polled = [pollfd(fd: listener, events: Int16(POLLIN), revents: 0)]
        for connection in connections {
            polled.append(pollfd(fd: connection.client, events: Int16(POLLIN), revents: 0))
            polled.append(pollfd(fd: connection.server, events: Int16(POLLIN), revents: 0))
        }
        guard unsafe poll(&polled, nfds_t(polled.count), 100) > 0 else { return }
        for (index, connection) in connections.enumerated() {
            if polled[2 * index + 1].revents != 0 {
                connection.fromClient(isStalled: isStalled) { self.next() }
            }
            if polled[2 * index + 2].revents != 0, connection.isOpen { connection.fromServer() }
        }
        connections.removeAll { !$0.isOpen }
        if polled[0].revents != 0, let client = UnixSocket.accept(listener) {
            if let upstream = UnixSocket.connect(to: server) {
                connections.append(WireConnection(client: client, server: upstream))
            } else {
                close(client)
            }
        }
    }
}

/// One connection through the proxy; belongs to the proxy's thread.
private final class WireConnection {
    let client: Int32
    let server: Int32
    private(set) var isOpen = true
    private var sent: [UInt8] = []
    private var answered: [UInt8] = []
    private var hasStarted = false
    /// Waits for the server's answer to the message that is cut.
    private var cutting: WireProxy.Cut?

    init(client: Int32, server: Int32) {
        self.client = client
        self.server = server
    }

    deinit {
        close(client)
        close(server)
    }

    func fromClient(isStalled: Bool, _ next: () -> WireProxy.Cut?) {
        guard let bytes = UnixSocket.read(client) else { return end() }
        if isStalled { return }
        sent += bytes
        while let frame = takeFrame() {
            let asks =
                frame.isTyped
                && (frame.bytes[0] == UInt8(ascii: "Q")
                    || frame.bytes[0] == UInt8(ascii: "S"))
            let cut = asks ? next() : nil
            if cut == .beforeSending { return end() }
            guard UnixSocket.write(server, frame.bytes) else { return end() }
            cutting = cutting ?? cut
        }
    }

    func fromServer() {
        guard let bytes = UnixSocket.read(server) else { return end() }
        if cutting != .afterSending {
            guard UnixSocket.write(client, bytes) else { return end() }
        }
        guard cutting != nil else { return }
        // The answer is whole with ReadyForQuery; before the cut message there was none open.
        answered += bytes
        while let length = Self.length(answered, at: 1), answered.count >= length + 1 {
            if answered[0] == UInt8(ascii: "Z") { return end() }
            answered.removeFirst(length + 1)
        }
    }

    private func end() {
        isOpen = false
        // Both see it at once, whoever still holds this object.
        shutdown(client, Int32(SHUT_RDWR))
        shutdown(server, Int32(SHUT_RDWR))
    }

    /// The next whole message; the startup message has no type.
    private func takeFrame() -> (bytes: [UInt8], isTyped: Bool)? {
        let head = hasStarted ? 1 : 0
        guard let length = Self.length(sent, at: head), sent.count >= length + head else {
            return nil
        }
        let frame = Array(sent.prefix(length + head))
        sent.removeFirst(length + head)
        defer { hasStarted = true }
        return (frame, hasStarted)
    }

    private static func length(_ bytes: [UInt8], at index: Int) -> Int? {
        guard bytes.count >= index + 4 else { return nil }
        return bytes[index..<index + 4].reduce(0) { $0 << 8 | Int($1) }
    }
}
