/// One request as AWS Signature Version 4 sees it, and its signature.
///
/// This is the rule of S3: the path is encoded once and not normalised, because `a//b` and `a/./b`
/// are keys of their own.
struct SignatureVersion4 {
    /// The instant as `20130524T000000Z`.
    let time: String
    /// The method, in upper case.
    let method: String
    /// The path, percent-encoded once.
    let path: String
    /// The query's pairs, not encoded.
    let query: [(name: String, value: String)]
    /// Every header that is signed; the names in any case.
    let headers: [(name: String, value: String)]
    /// The payload's SHA-256 in hexadecimal digits, or `UNSIGNED-PAYLOAD`.
    let payload: String

    static let algorithm = "AWS4-HMAC-SHA256"

    /// Names and values of the headers in canonical form, sorted by name.
    private var canonicalHeaders: [(name: String, value: String)] {
        var values: [(name: String, value: String)] = []
        // Fields of one name become one, in the order that they are sent in.
        for header in headers {
            let name = header.name.lowercased()
            let value = Self.trimmed(header.value)
            if let index = values.firstIndex(where: { $0.name == name }) {
                values[index].value += ",\(value)"
            } else {
                values.append((name, value))
            }
        }
        return values.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    }

    /// The signed headers' names, as `host;x-amz-date`.
    var signedHeaders: String {
        canonicalHeaders.map(\.name).joined(separator: ";")
    }

    /// The query in canonical form: encoded, sorted by name and then by value.
    var canonicalQuery: String {
        query.map { (S3Text.encoded($0.name), S3Text.encoded($0.value)) }
            .sorted { one, other in
                one.0 == other.0
                    ? one.1.utf8.lexicographicallyPrecedes(other.1.utf8)
                    : one.0.utf8.lexicographicallyPrecedes(other.0.utf8)
            }
            .map { "\($0.0)=\($0.1)" }.joined(separator: "&")
    }

    /// The request in canonical form (step 1).
    var canonicalRequest: String {
        var text = "\(method)\n\(path)\n\(canonicalQuery)\n"
        for header in canonicalHeaders { text += "\(header.name):\(header.value)\n" }
        text += "\n\(signedHeaders)\n\(payload)"
        return text
    }

    /// What is signed (step 3).
    func stringToSign(scope: String, _ digest: inout Digest) -> [UInt8] {
        digest.update(Array(canonicalRequest.utf8))
        var text = Array("\(Self.algorithm)\n\(time)\n\(scope)\n".utf8)
        S3Text.hex(digest.finish(), into: &text)
        return text
    }

    /// The signature in hexadecimal digits (step 5).
    func signature(_ key: SignatureKey, _ hmac: HMACKey, _ digest: inout Digest) -> String {
        S3Text.hex(hmac.code(stringToSign(scope: key.scope, &digest), &digest))
    }

    /// Without white space around it, and one space for each run of it.
    private static func trimmed(_ value: String) -> String {
        let needsWork =
            value.utf8.first == 0x20 || value.utf8.last == 0x20 || value.contains("  ")
            || value.utf8.contains { $0 == 0x09 }
        guard needsWork else { return value }
        return value.split { $0 == " " || $0 == "\t" }.joined(separator: " ")
    }
}
