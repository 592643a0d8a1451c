/// The target of a request, taken apart and decoded strictly (RFC 3986, origin form of RFC 9112
/// section 3.2.1).
struct HTTPTarget: Sendable {
    /// The path as it was sent.
    let path: String
    /// The path's segments, percent-decoded; `/` has none.
    let pathSegments: [String]
    /// The query's pairs in order, decoded; `+` is a space.
    let query: [HTTPRequest.QueryItem]

    /// - Throws: `HTTPError` with code `badRequest` for another form, a broken escape, an encoded
    ///   NUL, `.` and `..` segments, or bytes that are not UTF-8.
    init(parsing target: String) throws(HTTPError) {
        let parts = target.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        path = String(parts[0])
        guard path.utf8.first == UInt8(ascii: "/") else {
            throw HTTPError(code: .badRequest, message: "the request target must begin with /")
        }
        var segments: [String] = []
        if path != "/" {
            let raw = path.dropFirst().split(separator: "/", omittingEmptySubsequences: false)
            for piece in raw {
                let segment = try Self.decoded(piece, plusIsSpace: false)
                guard segment != ".", segment != ".." else {
                    throw HTTPError(code: .badRequest, message: "the path holds a . or .. segment")
                }
                segments.append(segment)
            }
        }
        pathSegments = segments
        var items: [HTTPRequest.QueryItem] = []
        if parts.count == 2 {
            for pair in parts[1].split(separator: "&") {
                let halves = pair.split(
                    separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                let name = try Self.decoded(halves[0], plusIsSpace: true)
                let value = halves.count == 2 ? try Self.decoded(halves[1], plusIsSpace: true) : ""
                items.append(HTTPRequest.QueryItem(name: name, value: value))
            }
        }
        query = items
    }

    private static func decoded(
        _ text: Substring, plusIsSpace: Bool
    ) throws(HTTPError) -> String {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.utf8.count)
        var rest = text.utf8[...]
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "%"):
                guard let high = rest.popFirst().flatMap(hexadecimal),
                    let low = rest.popFirst().flatMap(hexadecimal)
                else {
                    throw HTTPError(
                        code: .badRequest, message: "the target holds a broken % escape")
                }
                bytes.append(high << 4 | low)
            case UInt8(ascii: "+") where plusIsSpace: bytes.append(UInt8(ascii: " "))
            case let other: bytes.append(other)
            }
        }
        guard !bytes.contains(0) else {
            throw HTTPError(code: .badRequest, message: "the target holds an encoded NUL byte")
        }
        guard let string = String(validating: bytes, as: UTF8.self) else {
            throw HTTPError(code: .badRequest, message: "the target is not UTF-8")
        }
        return string
    }

    private static func hexadecimal(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
