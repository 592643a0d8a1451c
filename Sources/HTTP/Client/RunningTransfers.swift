import CCurl

/// The transfers inside libcurl's multi handle; lives on the client's thread.
@safe struct RunningTransfers {
    @safe private struct Running {
        let transfer: Transfer
        let easy: EasyHandle

        init(_ transfer: Transfer, _ options: HTTPClientOptions) throws {
            self.transfer = transfer
            // `transfer` lives as long as this, and this as long as the handle.
            easy = unsafe try EasyHandle(
                transfer.request, options,
                context: Unmanaged.passUnretained(transfer).toOpaque())
        }
    }

    private let multi: UnsafeMutableRawPointer
    private let options: HTTPClientOptions
    private var running: [UInt64: Running] = [:]

    init(multi: UnsafeMutableRawPointer, options: HTTPClientOptions) {
        unsafe self.multi = multi
        self.options = options
    }

    /// Adds a transfer, or fails it at once.
    mutating func start(_ transfer: Transfer) {
        do {
            let new = try Running(transfer, options)
            let code = unsafe curl_multi_add_handle(multi, new.easy.pointer)
            guard code == CURLM_OK else {
                let reason = unsafe String(cString: curl_multi_strerror(code))
                throw HTTPError(code: .invalidMessage, message: "libcurl: \(reason)")
            }
            running[transfer.number] = new
        } catch {
            transfer.finish(error)
        }
    }

    /// Lets a transfer go on in both directions; its callbacks pause it again if they must.
    func unpause(_ number: UInt64) {
        guard let one = running[number] else { return }
        unsafe curl_easy_pause(one.easy.pointer, 0)  // CURLPAUSE_CONT
    }

    /// Moves bytes and takes out what is complete.
    mutating func work() {
        var count: Int32 = 0
        unsafe curl_multi_perform(multi, &count)
        var code = CURLE_OK
        while let easy = unsafe berth_curl_multi_finished(multi, &code) {
            guard let context = unsafe berth_curl_get_private(easy) else { continue }
            let transfer = unsafe Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
            let isRefused = running[transfer.number]?.easy.hasRefusedAddress == true
            let error =
                code == CURLE_OK
                ? nil : unsafe failure(code, easy, transfer.request, isRefused: isRefused)
            end(transfer.number, error)
        }
    }

    /// Takes a transfer out; nothing if it is out.
    mutating func end(_ number: UInt64, _ error: (any Error)?) {
        guard let one = running.removeValue(forKey: number) else { return }
        defer { extendLifetime(one) }
        unsafe curl_multi_remove_handle(multi, one.easy.pointer)
        one.transfer.finish(error)
    }

    /// Takes all out.
    mutating func endAll(_ error: any Error) {
        for number in Array(running.keys) { end(number, error) }
    }

    private func failure(
        _ code: CURLcode, _ easy: UnsafeMutableRawPointer, _ request: HTTPClientRequest,
        isRefused: Bool
    ) -> HTTPError {
        if isRefused, code == CURLE_COULDNT_CONNECT {
            return HTTPError(
                code: .addressRefused,
                message: "\(request.origin) is a link-local address or a cloud's metadata service; "
                    + "nothing is sent there")
        }
        let reason = unsafe String(cString: curl_easy_strerror(code))
        let number = unsafe Int32(
            truncatingIfNeeded: berth_curl_get_long(easy, CURLINFO_OS_ERRNO))
        return TransferFailure(code: code, reason: reason, errno: number, request: request).error
    }
}
