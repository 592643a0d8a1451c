import Dispatch
import Glibc
import Platform

/// A proxy between a client and a provider on loopback that spoils chosen requests.
///
/// It speaks plain HTTP/1.1 on sockets of its own and keeps each message whole in memory. Signatures
/// stay valid, because the `Host` header passes unchanged.
public final class FaultProxy: Sendable {
    /// Which fault a request meets; nil for none.
    public typealias Plan = @Sendable (ProxiedRequest) -> Fault?

    private struct State {
        var count = 0
        var log: [ProxiedRequest] = []
        var met: [Int: Fault] = [:]
        var open: [Int: Socket] = [:]
        var next = 0
        var isOver = false
    }

    /// The port that clients connect to.
    public let port: UInt16
    private let listener: Socket
    private let upstream: UInt16
    private let plan: Plan
    private let state = Locked(State())
    private let firstPage = Locked<WireMessage?>(nil)

    /// - Parameters:
    ///   - upstream: the provider's port on loopback.
    ///   - plan: which fault a request meets.
    public init(upstream: UInt16, plan: @escaping Plan) throws {
        (listener, port) = try Socket.listening()
        self.upstream = upstream
        self.plan = plan
        let queue = DispatchQueue(label: "berth.fault-proxy")
        // The thread keeps the listener, not the proxy: that ends it when it goes.
        queue.async { [weak self, listener] in
            while let client = Self.accepted(listener, self) { self?.serve(client) }
        }
    }

    deinit {
        stop()
    }

    /// The address for clients.
    public var endpoint: String { "http://127.0.0.1:\(port)" }

    /// Every request so far, in order.
    public var log: [ProxiedRequest] { state.withLock { $0.log } }

    /// The faults that requests have met, by the request's number.
    public var met: [Int: Fault] { state.withLock { $0.met } }

    /// Ends all connections and the listening; harmless when repeated.
    public func stop() {
        let open = state.withLock { state -> [Socket] in
            state.isOver = true
            defer { state.open = [:] }
            return Array(state.open.values)
        }
        listener.shutDown()
        for socket in open { socket.shutDown() }
    }

    private static func accepted(_ listener: Socket, _ proxy: FaultProxy?) -> Socket? {
        while let proxy, !proxy.state.withLock({ $0.isOver }) {
            if let client = listener.accepted() { return client }
        }
        return nil
    }

    // MARK: one client's connection

    private func serve(_ client: Socket) {
        guard let key = keep(client) else { return }
        let queue = DispatchQueue(label: "berth.fault-proxy.connection")
        queue.async { [weak self] in
            let reader = WireReader(client)
            while let self, self.passOne(reader, client) {}
            self?.drop(key)
        }
    }

    private func keep(_ socket: Socket) -> Int? {
        state.withLock { state -> Int? in
            guard !state.isOver else { return nil }
            state.next += 1
            state.open[state.next] = socket
            return state.next
        }
    }

    private func drop(_ key: Int) {
        state.withLock { $0.open[key] = nil }
    }

    /// Handles one request.
    ///
    /// - Returns: whether the connection goes on.
    private func passOne(_ reader: WireReader, _ client: Socket) -> Bool {
        guard var request = WireMessage(headOf: reader) else { return false }
        let words = request.words
        guard words.count == 3 else { return false }
        if request["Expect"] != nil {
            request.set("Expect", nil)
            client.send("HTTP/1.1 100 Continue\r\n\r\n".utf8)
        }
        let length = request["Content-Length"].flatMap { Int($0) } ?? 0
        guard let body = reader.bytes(length) else { return false }
        request.body = body
        let (proxied, fault) = note(method: String(words[0]), target: String(words[1]))
        let exchange = FaultyExchange(
            request: request, proxied: proxied, client: client, upstream: upstream,
            firstPage: firstPage)
        return exchange.run(fault)
    }

    private func note(method: String, target: String) -> (ProxiedRequest, Fault?) {
        let request = state.withLock { state -> ProxiedRequest in
            state.count += 1
            let request = ProxiedRequest(number: state.count, method: method, target: target)
            state.log.append(request)
            return request
        }
        let fault = plan(request)
        if let fault { state.withLock { $0.met[request.number] = fault } }
        return (request, fault)
    }
}
