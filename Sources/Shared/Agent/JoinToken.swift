import FoundationEssentials

/// What `berth host enroll` prints and `berth-agent join` takes: where the hub is, which CA to
/// trust, and a secret that works once.
///
/// Written as `berth-join-1.` and unpadded base64url.
public struct JoinToken: Sendable, Codable, Hashable {
    /// The hub's addresses, each `https://host:port`.
    public var hubs: [String]
    /// SHA-256 of the hub's CA certificate in DER, 64 hexadecimal digits; pinned before the secret
    /// is sent.
    public var fingerprint: String
    public var secret: String

    public init(hubs: [String], fingerprint: String, secret: String) {
        self.hubs = hubs
        self.fingerprint = fingerprint
        self.secret = secret
    }

    private static let prefix = "berth-join-1."

    /// Reads the written form; nil when it is anything else, longer than 8 KiB, or lacks an address,
    /// a whole fingerprint or the secret.
    public init?(_ text: String) {
        guard text.utf8.count <= 8192, text.hasPrefix(Self.prefix) else { return nil }
        var base64 = String(text.dropFirst(Self.prefix.count))
        base64 = String(base64.map { $0 == "-" ? "+" : $0 == "_" ? "/" : $0 })
        base64 += String(repeating: "=", count: (4 - base64.utf8.count % 4) % 4)
        guard let data = Data(base64Encoded: base64),
            let value = try? JSON.decode(JoinToken.self, from: [UInt8](data)),  // nil says it all
            !value.hubs.isEmpty, !value.secret.isEmpty, value.fingerprint.utf8.count == 64,
            value.fingerprint.allSatisfy({ $0.isASCII && $0.isHexDigit })
        else { return nil }
        self = value
    }

    /// The written form.
    public func written() throws -> String {
        let base64 = Data(try JSON.encode(self)).base64EncodedString()
        let url = base64.compactMap { $0 == "+" ? "-" : $0 == "/" ? "_" : $0 == "=" ? nil : $0 }
        return Self.prefix + String(url)
    }
}
