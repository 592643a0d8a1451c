import Shared

/// A request to the hub's HTTP API, before it is sent.
struct APIRequest: Sendable {
    let method: String
    /// Path and query, percent-encoded (RFC 3986).
    let target: String
    let body: [UInt8]?
    /// The same for every try of one request, so that the hub does it once.
    let idempotencyKey: String?
    /// How long an answer may take.
    var deadline = Duration.seconds(60)
    /// How many tries before a hub that does not answer is a failure.
    var tries = 4

    /// A pair of the query; it is left out where the value is nil.
    struct Parameter: Sendable {
        let name: String
        let value: String?

        init(_ name: String, _ value: String?) {
            self.name = name
            self.value = value
        }
    }

    /// - Parameter segments: the path below `/v1`; each may hold any character.
    static func get(_ segments: [String], query: [Parameter] = []) -> APIRequest {
        APIRequest(
            method: "GET", target: target(segments, query), body: nil, idempotencyKey: nil)
    }

    /// A request that changes something.
    static func change(
        _ method: String, _ segments: [String], body: [UInt8]?, key: String
    ) -> APIRequest {
        APIRequest(method: method, target: target(segments, []), body: body, idempotencyKey: key)
    }

    private static func target(_ segments: [String], _ query: [Parameter]) -> String {
        let path = (["v1"] + segments).map { "/" + encoded($0) }.joined()
        let pairs = query.compactMap { pair in
            pair.value.map { "\(pair.name)=\(encoded($0))" }
        }
        return pairs.isEmpty ? path : path + "?" + pairs.joined(separator: "&")
    }

    /// Everything but RFC 3986's unreserved characters as `%XX`.
    static func encoded(_ value: String) -> String {
        let digits = Array("0123456789ABCDEF".utf8)
        var text: [UInt8] = []
        for byte in value.utf8 {
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F, 0x7E: text.append(byte)
            default: text += [0x25, digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: text, as: UTF8.self)
    }
}
