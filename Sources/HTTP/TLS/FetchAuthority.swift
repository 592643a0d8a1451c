extension HTTPClient {
    /// Fetches the certificate of a server's authority and accepts exactly the one that is pinned.
    ///
    /// The connection is not verified; nothing secret is sent over it.
    ///
    /// - Parameters:
    ///   - url: where the server offers it in PEM.
    ///   - fingerprint: the SHA-256 of its DER form, from a trusted place.
    ///   - deadline: how long it may take, default 20 s.
    /// - Returns: the pinned certificate alone, whatever else the answer held.
    /// - Throws: `HTTPError` with code `fingerprintMismatch` for another certificate,
    ///   `protocolViolation` for another answer than 200, `certificate` when it is none; and as
    ///   `send(_:)`.
    public static func fetchAuthority(
        from url: String, fingerprint: Fingerprint, deadline: Duration = .seconds(20)
    ) async throws -> Certificate {
        var options = HTTPClientOptions()
        options.trust = .anyone
        let client = try HTTPClient(options: options)
        let request = HTTPClientRequest(url: url, deadline: deadline)
        let response = try await client.send(request)
        guard response.status == 200 else {
            throw HTTPError(
                code: .protocolViolation,
                message: "\(request.origin) answered \(response.status) instead of its certificate")
        }
        let certificate = try Certificate(pem: await response.body.collect(limitBytes: 64 << 10))
        guard certificate.fingerprint == fingerprint else {
            throw HTTPError(
                code: .fingerprintMismatch,
                message: "\(request.origin) shows an authority with fingerprint "
                    + "\(certificate.fingerprint), not \(fingerprint): it is another server, or "
                    + "somebody is between; get the fingerprint from the server's operator again")
        }
        return certificate
    }
}
