import CMicrohttpd
import Glibc
import Platform

/// A running libmicrohttpd daemon; it calls `ServerCore` and `Exchange`, and decides nothing.
@safe final class Daemon: @unchecked Sendable {
    // Sendable: the pointers never change, the library's own functions are thread-safe, and
    // `isStopped` lets one caller only end them.
    private let daemon: OpaquePointer
    private let logger: UnsafeMutablePointer<berth_mhd_logger>
    private let core: Unmanaged<ServerCore>
    private let isStopped = Locked(false)

    /// Starts the daemon's threads (MHD_start_daemon(3)).
    ///
    /// - Parameter core: what the callbacks work on; kept alive until `stop()`.
    /// - Throws: `HTTPError`: `certificate` if TLS was wanted, `couldNotListen` otherwise.
    init(core: ServerCore) throws {
        let options = core.options
        let complaints = unsafe Unmanaged.passRetained(core)
        let context = unsafe complaints.toOpaque()
        let logger = UnsafeMutablePointer<berth_mhd_logger>.allocate(capacity: 1)
        unsafe logger.initialize(
            to: berth_mhd_logger(context: context, complaint: complaintReceived))
        var raw = unsafe berth_mhd_options()
        unsafe raw.threads = UInt32(clamping: options.threads)
        // `Acceptor` keeps the limit, in sum; each thread would otherwise have its share of it.
        unsafe raw.connection_limit = UInt32(clamping: options.connectionLimit * options.threads)
        unsafe raw.per_address_limit = UInt32(clamping: options.connectionsPerAddressLimit)
        unsafe raw.idle_timeout_seconds = UInt32(
            clamping: max(1, options.idleTimeout.components.seconds))
        unsafe raw.connection_memory_bytes = options.connectionMemoryBytes
        unsafe raw.context = context
        unsafe raw.access = accessed
        unsafe raw.opened = opened
        unsafe raw.completed = completed
        unsafe raw.connection = connectionChanged
        let started = unsafe Self.start(&raw, logger, options.tls)
        guard let started = unsafe started else {
            unsafe logger.deallocate()
            unsafe complaints.release()
            throw options.tls == nil
                ? HTTPError(code: .couldNotListen, message: "the HTTP server could not be started")
                : HTTPError(
                    code: .certificate,
                    message: "the HTTP server could not be started with its TLS certificate and key"
                )
        }
        unsafe daemon = started
        unsafe self.logger = logger
        unsafe self.core = complaints
    }

    /// Takes one connection from a listening socket that does not block (MHD_add_connection(3)).
    ///
    /// - Returns: 1; 0 when it was refused and closed; or a negative error number, `-EAGAIN` when
    ///   there is none.
    func accept(from listener: Int32) -> Int32 {
        unsafe berth_mhd_accept(daemon, listener)
    }

    /// Ends all connections and threads, and blocks until they are gone; nothing may rest any more.
    func stop() {
        guard isStopped.withLock({ flip(&$0) }) else { return }
        unsafe MHD_stop_daemon(daemon)
        unsafe logger.deallocate()
        unsafe core.release()
    }

    private func flip(_ flag: inout Bool) -> Bool {
        defer { flag = true }
        return !flag
    }

    private static func start(
        _ raw: inout berth_mhd_options, _ logger: UnsafeMutablePointer<berth_mhd_logger>,
        _ tls: TLSIdentity?
    ) -> OpaquePointer? {
        guard let tls else { return unsafe berth_mhd_start(&raw, logger) }
        let certificate = tls.certificatePEM.map { CChar(bitPattern: $0) } + [0]
        return unsafe tls.privateKeyPEM.withBytes { key in
            // A copy with an end mark, wiped like the original.
            let text = UnsafeMutableBufferPointer<CChar>.allocate(capacity: key.count + 1)
            defer {
                if let base = text.baseAddress { unsafe explicit_bzero(base, text.count) }
                unsafe text.deallocate()
            }
            unsafe text.initialize(repeating: 0)
            for (index, byte) in key.enumerated() { unsafe text[index] = CChar(bitPattern: byte) }
            let priorities = "SECURE128:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"
            return unsafe certificate.withUnsafeBufferPointer { certificate in
                unsafe priorities.withCString { priorities in
                    unsafe raw.certificate = certificate.baseAddress
                    unsafe raw.private_key = UnsafePointer(text.baseAddress)
                    unsafe raw.tls_priorities = priorities
                    return unsafe berth_mhd_start(&raw, logger)
                }
            }
        }
    }
}

// MARK: the callbacks, each on one of the daemon's threads

private func core(_ context: UnsafeMutableRawPointer?) -> ServerCore? {
    unsafe context.map { unsafe Unmanaged<ServerCore>.fromOpaque($0).takeUnretainedValue() }
}

private func complaintReceived(
    _ context: UnsafeMutableRawPointer?, _ message: UnsafePointer<CChar>?
) {
    guard let core = unsafe core(context), let message = unsafe message else { return }
    unsafe core.options.complaint(String(cString: message))
}

private func connectionChanged(
    _ context: UnsafeMutableRawPointer?, _ connection: OpaquePointer?,
    _ socketContext: UnsafeMutablePointer<UnsafeMutableRawPointer?>?,
    _ what: MHD_ConnectionNotificationCode
) {
    guard let core = unsafe core(context), let connection = unsafe connection else { return }
    let key = UInt(bitPattern: connection)
    switch what {
    case .CONNECTION_NOTIFY_STARTED:
        core.connected(key, socket: unsafe berth_mhd_socket(connection))
    case .CONNECTION_NOTIFY_CLOSED: core.disconnected(key)
    }
}

/// The request line is there; what this returns is the request's own pointer.
private func opened(
    _ context: UnsafeMutableRawPointer?, _ target: UnsafePointer<CChar>?,
    _ connection: OpaquePointer?
) -> UnsafeMutableRawPointer? {
    guard let core = unsafe core(context), let connection = unsafe connection,
        let target = unsafe target
    else { return nil }
    let exchange = unsafe Exchange(
        target: String(cString: target), connection: connection, options: core.options)
    core.begin(exchange)
    return unsafe Unmanaged.passRetained(exchange).toOpaque()
}

private func completed(
    _ context: UnsafeMutableRawPointer?, _ connection: OpaquePointer?,
    _ request: UnsafeMutablePointer<UnsafeMutableRawPointer?>?, _ how: MHD_RequestTerminationCode
) {
    guard let core = unsafe core(context), let request = unsafe request,
        let pointer = unsafe request.pointee
    else { return }
    unsafe request.pointee = nil
    core.end(unsafe Unmanaged<Exchange>.fromOpaque(pointer).takeRetainedValue())
}

private func accessed(
    _ context: UnsafeMutableRawPointer?, _ connection: OpaquePointer?,
    _ url: UnsafePointer<CChar>?, _ method: UnsafePointer<CChar>?,
    _ version: UnsafePointer<CChar>?, _ data: UnsafePointer<CChar>?,
    _ size: UnsafeMutablePointer<Int>?,
    _ request: UnsafeMutablePointer<UnsafeMutableRawPointer?>?
) -> MHD_Result {
    guard let core = unsafe core(context), let connection = unsafe connection,
        let method = unsafe method, let size = unsafe size,
        let pointer = unsafe request?.pointee
    else { return MHD_Result.NO }
    let exchange = unsafe Unmanaged<Exchange>.fromOpaque(pointer).takeUnretainedValue()
    let step: Exchange.Step
    if exchange.request == nil {
        step = unsafe open(exchange, core, connection, method)
    } else {
        let piece =
            unsafe size.pointee > 0
            ? UnsafeRawBufferPointer(start: data, count: size.pointee) : nil
        step = unsafe exchange.advance(piece, submit: core.submit)
        if exchange.isReceived { core.bodyReceived(exchange) }
    }
    switch step {
    case .proceed:
        unsafe size.pointee = 0
        return MHD_Result.YES
    case .rest: return MHD_Result.YES
    case .abort: return MHD_Result.NO
    case .answer(let response):
        return unsafe queue(response, exchange, core, connection)
    }
}

private func open(
    _ exchange: Exchange, _ core: ServerCore, _ connection: OpaquePointer,
    _ method: UnsafePointer<CChar>
) -> Exchange.Step {
    do {
        let request = try unsafe HTTPRequest(
            method: String(cString: method), target: exchange.target,
            headers: RequestHead.headers(of: connection), peer: RequestHead.peer(of: connection))
        core.headReceived(exchange, hasBody: request.hasBody)
        return exchange.open(request, submit: core.submit)
    } catch {
        return .answer(core.options.refusal(error))
    }
}

private func queue(
    _ response: HTTPResponse, _ exchange: Exchange, _ core: ServerCore,
    _ connection: OpaquePointer
) -> MHD_Result {
    let reply = Reply(response, closesConnection: core.isStopping, refusal: core.options.refusal)
    return unsafe reply.queue(on: connection, exchange: exchange)
}
