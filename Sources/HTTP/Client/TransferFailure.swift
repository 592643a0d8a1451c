import CCurl
import Platform

/// A libcurl result in this module's words.
struct TransferFailure {
    let code: CURLcode
    let reason: String
    let errno: Int32
    let request: HTTPClientRequest

    /// The error that the caller sees; it names the address.
    var error: HTTPError {
        let origin = request.origin
        let cause = errno == 0 ? reason : describe(errno: errno)
        return switch code {
        case CURLE_COULDNT_CONNECT, CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY:
            make(.couldNotConnect, "cannot reach \(origin): \(cause.lowercasedFirst)")
        case CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_ISSUER_ERROR:
            make(
                .tls,
                "the certificate of \(origin) is not accepted: it is not signed by the trusted "
                    + "authority, or names another host")
        case CURLE_SSL_CONNECT_ERROR:
            // Not a matter of trust, and nothing was sent: a peer that dies in mid-handshake.
            make(
                .couldNotConnect,
                "no TLS connection with \(origin): \(cause.lowercasedFirst) in the handshake")
        case CURLE_SSL_CERTPROBLEM, CURLE_SSL_CIPHER, CURLE_SSL_CACERT_BADFILE,
            CURLE_USE_SSL_FAILED:
            make(.tls, "no TLS connection with \(origin): \(reason)")
        case CURLE_OPERATION_TIMEDOUT:
            make(.timeout, "\(request.method) \(origin) did not finish in time")
        case CURLE_SEND_ERROR, CURLE_RECV_ERROR, CURLE_GOT_NOTHING, CURLE_PARTIAL_FILE,
            CURLE_SEND_FAIL_REWIND:
            make(.connectionReset, "the connection to \(origin) broke: \(cause.lowercasedFirst)")
        case CURLE_WRITE_ERROR:
            make(.tooLarge, "the response of \(origin) is larger than allowed")
        case CURLE_ABORTED_BY_CALLBACK:
            make(.invalidMessage, "the body of the request to \(origin) could not be produced")
        case CURLE_URL_MALFORMAT, CURLE_UNSUPPORTED_PROTOCOL:
            make(.invalidMessage, "\(origin.debugDescription): no http or https URL")
        default: make(.protocolViolation, "\(request.method) \(origin): \(reason)")
        }
    }

    private func make(_ code: HTTPError.Code, _ message: String) -> HTTPError {
        HTTPError(code: code, message: message, errno: errno)
    }
}

extension String {
    fileprivate var lowercasedFirst: String { prefix(1).lowercased() + dropFirst() }
}
