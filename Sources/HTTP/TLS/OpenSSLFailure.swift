import COpenSSL

/// What libcrypto says about its last failure on this thread (ERR_peek_last_error(3)).
enum OpenSSLFailure {
    /// - Parameter what: what could not be done.
    static func error(_ what: String) -> HTTPError {
        var buffer = [CChar](repeating: 0, count: 256)
        unsafe berth_openssl_reason(&buffer, buffer.count)
        let reason = String(
            decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return HTTPError(
            code: .certificate, message: "cannot \(what)" + (reason.isEmpty ? "" : ": \(reason)"))
    }
}
