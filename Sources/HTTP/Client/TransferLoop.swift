import CCurl
import Glibc
import Platform

/// The client's thread: it alone touches libcurl's multi handle and the transfers in it.
///
/// Others put orders into a list and wake it (curl_multi_wakeup(3)).
@safe final class TransferLoop: @unchecked Sendable {
    private enum Order {
        case start(Transfer)
        case look(UInt64)
        case cancel(UInt64)
    }

    private struct State {
        var orders: [Order] = []
        var isClosing = false
        var isOver = false
        var nextNumber: UInt64 = 0
    }

    // Sendable: `multi` is used by the thread only, but for curl_multi_wakeup, which any thread
    // may call and which is called under the lock while `isOver` is false.
    private let multi: UnsafeMutableRawPointer
    private let options: HTTPClientOptions
    private let state = Locked(State())

    /// Starts the thread.
    ///
    /// - Throws: `HTTPError` with code `closed` when there is no memory or thread for it.
    init(options: HTTPClientOptions) throws {
        guard let multi = unsafe curl_multi_init() else {
            throw HTTPError(code: .closed, message: "libcurl has no memory")
        }
        unsafe self.multi = multi
        self.options = options
        unsafe berth_curl_multi_set_long(
            multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, options.connectionLimit)
        unsafe berth_curl_multi_set_long(
            multi, CURLMOPT_MAX_HOST_CONNECTIONS, options.connectionsPerHostLimit)
        unsafe berth_curl_multi_set_long(multi, CURLMOPT_MAXCONNECTS, options.connectionLimit)
        var thread = pthread_t()
        let context = unsafe Unmanaged.passRetained(self)
        let result = unsafe pthread_create(
            &thread, nil,
            { context in
                guard let context = unsafe context else { return nil }
                unsafe Unmanaged<TransferLoop>.fromOpaque(context).takeRetainedValue().run()
                return nil
            }, unsafe context.toOpaque())
        guard result == 0 else {
            unsafe context.release()
            unsafe curl_multi_cleanup(multi)
            throw HTTPError(
                code: .closed, message: "no thread for the HTTP client: \(describe(errno: result))",
                errno: result)
        }
        pthread_detach(thread)
    }

    // MARK: any thread

    /// Puts a transfer on its way.
    func start(_ request: HTTPClientRequest) throws -> Transfer {
        let number = try state.withLock { state throws -> UInt64 in
            guard !state.isClosing else {
                throw HTTPError(code: .closed, message: "the HTTP client is closed")
            }
            state.nextNumber += 1
            return state.nextNumber
        }
        let transfer = Transfer(number: number, request: request, options: options) {
            [weak self] in self?.order(.look(number))
        }
        order(.start(transfer))
        return transfer
    }

    /// Ends a transfer with `CancellationError`; nothing if it is over.
    func cancel(_ number: UInt64) { order(.cancel(number)) }

    /// Ends all transfers and the thread.
    func close() {
        state.withLock { state in
            state.isClosing = true
            if !state.isOver { unsafe curl_multi_wakeup(multi) }
        }
    }

    private func order(_ order: Order) {
        let isTaken = state.withLock { state -> Bool in
            guard !state.isOver else { return false }
            state.orders.append(order)
            unsafe curl_multi_wakeup(multi)
            return true
        }
        if !isTaken, case .start(let transfer) = order { transfer.finish(Self.closed) }
    }

    private static var closed: HTTPError {
        HTTPError(code: .closed, message: "the HTTP client is closed")
    }

    // MARK: the thread

    private func run() {
        blockBrokenPipeSignal()
        var running = unsafe RunningTransfers(multi: multi, options: options)
        while true {
            let (orders, isClosing) = state.withLock { state -> ([Order], Bool) in
                defer { state.orders = [] }
                return (state.orders, state.isClosing)
            }
            for order in orders {
                switch order {
                case .start(let transfer): running.start(transfer)
                case .look(let number): running.unpause(number)
                case .cancel(let number): running.end(number, CancellationError())
                }
            }
            if isClosing { break }
            running.work()
            // libcurl shortens the wait to its own timers; orders end it.
            unsafe curl_multi_poll(multi, nil, 0, 60_000, nil)
        }
        let late = state.withLock { state -> [Order] in
            state.isOver = true
            defer { state.orders = [] }
            return state.orders
        }
        for case .start(let transfer) in late { transfer.finish(Self.closed) }
        running.endAll(Self.closed)
        unsafe curl_multi_cleanup(multi)
    }

    /// OpenSSL writes to sockets without MSG_NOSIGNAL.
    private func blockBrokenPipeSignal() {
        var signals = sigset_t()
        unsafe sigemptyset(&signals)
        unsafe sigaddset(&signals, SIGPIPE)
        unsafe pthread_sigmask(SIG_BLOCK, &signals, nil)
    }
}
