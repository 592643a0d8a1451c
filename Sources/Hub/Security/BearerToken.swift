import COpenSSL
import FoundationEssentials
import Platform

/// A secret that a request is authenticated by: 256 random bits behind a prefix that secret
/// scanners know.
///
/// Only its SHA-256 is stored.
struct BearerToken: Sendable {
    /// What the token is for; part of its text.
    enum Kind: String, Sendable {
        /// The first admin token: works once, to log in.
        case bootstrap
        /// An operator's token.
        case admin
        /// A host may enroll with it once.
        case join
        /// A host's identity.
        case host
    }

    /// `berth-<kind>-1.` and 43 characters of base64url.
    let text: String

    /// Makes a new token.
    init(new kind: Kind) {
        let random = Data(Random.bytes(32)).base64EncodedString()
        let url = random.compactMap { $0 == "+" ? "-" : $0 == "/" ? "_" : $0 == "=" ? nil : $0 }
        text = "berth-\(kind.rawValue)-1." + String(url)
    }

    /// What is stored and looked up: SHA-256 of the text, so that a look-up by it leaks nothing
    /// about the token through time.
    var hash: [UInt8] { Self.hash(of: text) }

    /// SHA-256 of a token's text.
    static func hash(of text: String) -> [UInt8] {
        let bytes = Array(text.utf8)
        var digest = [UInt8](repeating: 0, count: 32)
        _ = unsafe SHA256(bytes, bytes.count, &digest)
        return digest
    }
}
