import HTTP
import Platform
import Testing

@Suite("TLS", .timeLimit(.minutes(1)))
struct TLSTests {
    private let authority: CertificateAuthority

    init() throws {
        authority = try CertificateAuthority(named: "Test CA")
    }

    private func options(names: [String] = ["127.0.0.1", "localhost"]) throws -> HTTPServerOptions {
        var options = HTTPServerOptions()
        options.tls = try authority.issueServerIdentity(for: names)
        return options
    }

    private func client(trusting pem: [UInt8]) throws -> HTTPClient {
        var options = HTTPClientOptions()
        options.trust = .authorities(pem: pem)
        return try HTTPClient(options: options)
    }

    @Test("a server of the trusted authority is accepted by address and by name")
    func accepted() async throws {
        try await withServer(options(), { _, _ in HTTPResponse(status: 200, body: .text("ok")) }) {
            url, server in
            let client = try client(trusting: authority.certificate.pem)
            for url in [url, "https://localhost:\(server.port)"] {
                let response = try await client.send(HTTPClientRequest(url: url + "/"))
                #expect(try await response.body.collect(limitBytes: 10) == Array("ok".utf8))
            }
        }
    }

    @Test("another authority, no authority of ours, and another name are refused")
    func refused() async throws {
        let other = try CertificateAuthority(named: "Test CA")
        let handler: HTTPServer.Handler = { _, _ in HTTPResponse(status: 200) }
        try await withServer(options(), handler) { url, _ in
            for client in [try client(trusting: other.certificate.pem), try HTTPClient()] {
                let error = await #expect(throws: HTTPError.self) {
                    try await client.send(HTTPClientRequest(url: url + "/"))
                }
                #expect(error?.code == .tls)
                #expect(error?.message.contains(url) == true)
            }
        }
        try await withServer(options(names: ["hub.example"]), handler) { url, _ in
            let client = try client(trusting: authority.certificate.pem)
            let error = await #expect(throws: HTTPError.self) {
                try await client.send(HTTPClientRequest(url: url + "/"))
            }
            #expect(error?.code == .tls)
        }
    }

    /// A hub that was killed in mid-handshake was once taken for one that is not trusted.
    @Test("a handshake that breaks off is a connection that was not made, to be tried again")
    func broken() async throws {
        let handler: HTTPServer.Handler = { _, _ in HTTPResponse(status: 200) }
        try await withServer(HTTPServerOptions(), handler) { url, _ in
            let client = try client(trusting: authority.certificate.pem)
            let error = await #expect(throws: HTTPError.self) {
                try await client.send(
                    HTTPClientRequest(url: "https" + url.dropFirst("http".count) + "/"))
            }
            #expect(error?.code == .couldNotConnect)
        }
    }

    @Test("the pinned authority can be fetched, any other is refused")
    func fetched() async throws {
        let pem = authority.certificate.pem
        let other = try CertificateAuthority(named: "Test CA").certificate
        let handler: HTTPServer.Handler = { _, _ in HTTPResponse(status: 200, body: .bytes(pem)) }
        try await withServer(options(), handler) { url, _ in
            let fetched = try await HTTPClient.fetchAuthority(
                from: url + "/ca.pem", fingerprint: authority.certificate.fingerprint)
            #expect(fetched == authority.certificate)
            let error = await #expect(throws: HTTPError.self) {
                try await HTTPClient.fetchAuthority(
                    from: url + "/ca.pem", fingerprint: other.fingerprint)
            }
            #expect(error?.code == .fingerprintMismatch)
        }
    }

    @Test("an authority that was stored and loaded issues certificates of the same authority")
    func loaded() throws {
        let loaded = try CertificateAuthority(
            certificatePEM: authority.certificate.pem, privateKeyPEM: authority.privateKeyPEM)
        #expect(loaded.certificate == authority.certificate)
        let identity = try loaded.issueServerIdentity(for: ["::1"], validity: .seconds(86_400))
        let certificate = try Certificate(pem: identity.certificatePEM)
        let left = certificate.expiry.millisecondsSinceEpoch - UTCTime.now().millisecondsSinceEpoch
        #expect((86_000_000...86_400_000).contains(left))
        #expect(certificate.fingerprint != authority.certificate.fingerprint)
    }

    @Test("a key of another authority is refused")
    func mismatch() throws {
        let other = try CertificateAuthority(named: "Other")
        #expect(throws: HTTPError.self) {
            try CertificateAuthority(
                certificatePEM: authority.certificate.pem, privateKeyPEM: other.privateKeyPEM)
        }
    }

    @Test(
        "a name that is neither DNS name nor address is refused",
        arguments: [
            "", "a b", "a,DNS:b", "ü.example", "x\n", String(repeating: "a", count: 254),
        ])
    func badName(name: String) throws {
        #expect(throws: HTTPError.self) { try authority.issueServerIdentity(for: [name]) }
    }

    @Test("a certificate or key that cannot be read is a clear error, not a hang")
    func unreadable() throws {
        #expect(throws: HTTPError.self) { try Certificate(pem: Array("no".utf8)) }
        #expect(throws: HTTPError.self) {
            try CertificateAuthority(
                certificatePEM: authority.certificate.pem,
                privateKeyPEM: SecretBytes(Array("no".utf8)))
        }
    }

    @Test("a server with a broken certificate says so")
    func brokenIdentity() async throws {
        var options = HTTPServerOptions()
        options.tls = TLSIdentity(
            certificatePEM: Array("no".utf8), privateKeyPEM: SecretBytes(Array("no".utf8)))
        let server = try HTTPServer(options: options) { _, _ in HTTPResponse(status: 200) }
        let error = await #expect(throws: HTTPError.self) { try await server.run() }
        #expect(error?.code == .certificate)
    }

    @Test("a fingerprint reads what it writes, with colons too")
    func fingerprint() throws {
        let fingerprint = authority.certificate.fingerprint
        #expect(Fingerprint(hex: fingerprint.description) == fingerprint)
        let digits = Array(fingerprint.description)
        let pairs = stride(from: 0, to: 64, by: 2).map { String(digits[$0...($0 + 1)]) }
        #expect(Fingerprint(hex: pairs.joined(separator: ":").uppercased()) == fingerprint)
        #expect(Fingerprint(hex: "") == nil)
        #expect(Fingerprint(hex: String(repeating: "g", count: 64)) == nil)
    }

    @Test("openssl itself verifies what the authority issues")
    func verifiedByOpenSSL() async throws {
        let identity = try authority.issueServerIdentity(for: ["hub.example", "10.0.0.1"])
        let directory = try TemporaryDirectory()
        let ca = "\(directory.path)/ca.pem"
        let leaf = "\(directory.path)/leaf.pem"
        try DurableFile.write(authority.certificate.pem, to: ca)
        try DurableFile.write(identity.certificatePEM, to: leaf)
        for (arguments, succeeds) in [
            (["-verify_hostname", "hub.example"], true), (["-verify_ip", "10.0.0.1"], true),
            (["-verify_hostname", "other.example"], false), (["-verify_ip", "10.0.0.2"], false),
        ] {
            let result = try await ChildProcess.run(
                "/usr/bin/openssl",
                ["verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", ca] + arguments
                    + [leaf])
            #expect(result.isSuccess == succeeds, "\(arguments): \(result.errorText)")
        }
    }
}
