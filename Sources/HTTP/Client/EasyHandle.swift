import CCurl

/// One transfer's settings in libcurl (curl_easy_init(3)); freed with its owner.
@safe final class EasyHandle {
    let pointer: UnsafeMutableRawPointer
    private var headerList: UnsafeMutablePointer<curl_slist>?
    private let refused: UnsafeMutablePointer<Int32>

    /// - Parameters:
    ///   - request: what to send.
    ///   - options: the client's settings.
    ///   - context: handed to the callbacks; it must outlive the handle.
    /// - Throws: `HTTPError` with code `invalidMessage` if libcurl refuses a setting.
    init(
        _ request: HTTPClientRequest, _ options: HTTPClientOptions,
        context: UnsafeMutableRawPointer
    ) throws(HTTPError) {
        guard let easy = unsafe curl_easy_init() else {
            throw HTTPError(code: .invalidMessage, message: "libcurl has no memory")
        }
        unsafe pointer = easy
        unsafe headerList = nil
        unsafe refused = .allocate(capacity: 1)
        unsafe refused.initialize(to: 0)
        try setTarget(request, options)
        try setTrust(options.trust)
        try setTimes(request, options)
        try setBody(request)
        if options.refusesLocalServices {
            unsafe try check(berth_curl_guard_addresses(easy, refused))
        }
        try setHeaders(request, options)
        unsafe try check(berth_curl_set_transfer(easy, CURLOPT_WRITEFUNCTION, bodyReceived))
        unsafe try check(berth_curl_set_transfer(easy, CURLOPT_HEADERFUNCTION, headReceived))
        unsafe try check(berth_curl_set_transfer(easy, CURLOPT_READFUNCTION, bodyWanted))
        unsafe try check(berth_curl_set_seek(easy, bodyRewound))
        for option in [
            CURLOPT_WRITEDATA, CURLOPT_HEADERDATA, CURLOPT_READDATA, CURLOPT_SEEKDATA,
            CURLOPT_PRIVATE,
        ] {
            unsafe try check(berth_curl_set_pointer(easy, option, context))
        }
    }

    deinit {
        unsafe curl_easy_cleanup(pointer)
        unsafe curl_slist_free_all(headerList)
        unsafe refused.deallocate()
    }

    /// Whether an address was refused (`HTTPClientOptions.refusesLocalServices`).
    var hasRefusedAddress: Bool {
        defer { extendLifetime(self) }
        return unsafe refused.pointee != 0
    }

    private func setTarget(
        _ request: HTTPClientRequest, _ options: HTTPClientOptions
    ) throws(HTTPError) {
        try set(CURLOPT_URL, request.url)
        try set(CURLOPT_PROTOCOLS_STR, "http,https")
        try set(CURLOPT_PROXY, options.proxy ?? "")
        try set(CURLOPT_PATH_AS_IS, 1)
        try set(CURLOPT_FOLLOWLOCATION, 0)
        try set(CURLOPT_HTTP_VERSION, 2)  // CURL_HTTP_VERSION_1_1
        try set(CURLOPT_NOSIGNAL, 1)
        try set(CURLOPT_TCP_KEEPALIVE, 1)
        try set(CURLOPT_BUFFERSIZE, 64 << 10)
        try set(CURLOPT_UPLOAD_BUFFERSIZE, 64 << 10)
        if let agent = options.userAgent { try set(CURLOPT_USERAGENT, agent) }
    }

    private func setTrust(_ trust: HTTPClientOptions.Trust) throws(HTTPError) {
        try set(CURLOPT_SSLVERSION, 6)  // CURL_SSLVERSION_TLSv1_2 or later
        switch trust {
        case .system: break
        case .authorities(let pem):
            let code = unsafe pem.withUnsafeBytes { bytes in
                unsafe berth_curl_set_blob(
                    pointer, CURLOPT_CAINFO_BLOB, bytes.baseAddress, bytes.count)
            }
            try check(code)
            unsafe try check(berth_curl_set_string(pointer, CURLOPT_CAPATH, nil))
        case .anyone:
            try set(CURLOPT_SSL_VERIFYPEER, 0)
            try set(CURLOPT_SSL_VERIFYHOST, 0)
        }
    }

    private func setTimes(
        _ request: HTTPClientRequest, _ options: HTTPClientOptions
    ) throws(HTTPError) {
        try set(CURLOPT_CONNECTTIMEOUT_MS, Self.milliseconds(options.connectTimeout))
        if let deadline = request.deadline {
            try set(CURLOPT_TIMEOUT_MS, Self.milliseconds(deadline))
        }
        if let stall = request.stallTimeout {
            try set(CURLOPT_LOW_SPEED_LIMIT, max(1, request.slowestBytesPerSecond))
            try set(CURLOPT_LOW_SPEED_TIME, max(1, Self.milliseconds(stall) / 1000))
        }
    }

    private func setBody(_ request: HTTPClientRequest) throws(HTTPError) {
        let length: Int64? =
            switch request.body {
            case .bytes(let bytes): Int64(bytes.count)
            case .pieces(let pieces): pieces.reduce(0) { $0 + Int64($1.count) }
            case .stream(let length, _): length
            }
        if request.method == "HEAD" {
            try set(CURLOPT_NOBODY, 1)
        } else if length == 0, ["GET", "DELETE"].contains(request.method) {
            try set(CURLOPT_HTTPGET, 1)
        } else {
            try set(CURLOPT_UPLOAD, 1)
            unsafe try check(
                berth_curl_set_size(pointer, CURLOPT_INFILESIZE_LARGE, curl_off_t(length ?? -1)))
        }
        try set(CURLOPT_CUSTOMREQUEST, request.method)
    }

    private func setHeaders(
        _ request: HTTPClientRequest, _ options: HTTPClientOptions
    ) throws(HTTPError) {
        let own = ["host", "content-length", "transfer-encoding"]
        for field in request.headers.fields where !own.contains(field.name.lowercased()) {
            // An empty value is written with a semicolon; with a colon libcurl drops the field.
            let line = field.value.isEmpty ? "\(field.name);" : "\(field.name): \(field.value)"
            guard let longer = unsafe curl_slist_append(headerList, line) else {
                throw HTTPError(code: .invalidMessage, message: "libcurl has no memory")
            }
            unsafe headerList = longer
        }
        unsafe try check(berth_curl_set_list(pointer, CURLOPT_HTTPHEADER, headerList))
    }

    /// In libcurl's range: at least 1, at most 24 days.
    private static func milliseconds(_ time: Duration) -> Int {
        Int(min(max(time / .milliseconds(1), 1), Double(Int32.max)))
    }

    private func set(_ option: CURLoption, _ value: Int) throws(HTTPError) {
        unsafe try check(berth_curl_set_long(pointer, option, value))
    }

    private func set(_ option: CURLoption, _ value: String) throws(HTTPError) {
        unsafe try check(berth_curl_set_string(pointer, option, value))
    }

    private func check(_ code: CURLcode) throws(HTTPError) {
        guard code == CURLE_OK else {
            throw HTTPError(
                code: .invalidMessage,
                message:
                    "libcurl refuses a setting: \(unsafe String(cString: curl_easy_strerror(code)))"
            )
        }
    }
}

// MARK: the callbacks, on the client's thread

private func transfer(_ context: UnsafeMutableRawPointer?) -> Transfer? {
    unsafe context.map { unsafe Unmanaged<Transfer>.fromOpaque($0).takeUnretainedValue() }
}

private func headReceived(
    _ buffer: UnsafeMutablePointer<CChar>?, _ size: Int, _ count: Int,
    _ context: UnsafeMutableRawPointer?
) -> Int {
    let line = unsafe UnsafeRawBufferPointer(start: buffer, count: size * count)
    let text = unsafe String(decoding: line, as: UTF8.self)
    return unsafe transfer(context)?.receiveHeadLine(text) == true ? size * count : 0
}

private func bodyReceived(
    _ buffer: UnsafeMutablePointer<CChar>?, _ size: Int, _ count: Int,
    _ context: UnsafeMutableRawPointer?
) -> Int {
    guard let transfer = unsafe transfer(context) else { return 0 }
    let piece = unsafe UnsafeRawBufferPointer(start: buffer, count: size * count)
    return switch unsafe transfer.incoming.offer(piece) {
    case .accepted: size * count
    case .full: 0x1000_0001  // CURL_WRITEFUNC_PAUSE
    case .discarded: 0
    }
}

private func bodyWanted(
    _ buffer: UnsafeMutablePointer<CChar>?, _ size: Int, _ count: Int,
    _ context: UnsafeMutableRawPointer?
) -> Int {
    guard let transfer = unsafe transfer(context) else { return 0x1000_0000 }
    let target = unsafe UnsafeMutableRawBufferPointer(start: buffer, count: size * count)
    return switch unsafe transfer.takeBody(into: target) {
    case .bytes(let count): count
    case .empty: 0x1000_0001  // CURL_READFUNC_PAUSE
    case .ended: 0
    case .failed: 0x1000_0000  // CURL_READFUNC_ABORT
    }
}

private func bodyRewound(
    _ context: UnsafeMutableRawPointer?, _ offset: curl_off_t, _ origin: Int32
) -> Int32 {
    let isDone = unsafe transfer(context)?.rewindBody(to: Int(offset)) == true && origin == 0
    return isDone ? 0 : 1  // CURL_SEEKFUNC_OK, CURL_SEEKFUNC_FAIL
}
