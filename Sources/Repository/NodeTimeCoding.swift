import Glibc

extension NodeTime: Codable {
    /// The present, from the system's clock (clock_gettime(2), CLOCK_REALTIME).
    public static func now() -> NodeTime {
        var now = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &now)
        return NodeTime(seconds: Int64(now.tv_sec), nanoseconds: Int32(now.tv_nsec))
    }

    /// RFC 3339 in UTC, as Go's `time.RFC3339Nano`.
    public var text: String {
        var quoted: [UInt8] = []
        append(to: &quoted)
        return String(decoding: quoted.dropFirst().dropLast(), as: UTF8.self)
    }

    /// Reads RFC 3339 with any zone.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let time = NodeTime(rfc3339: Array(text.utf8)) else {
            throw DecodingError.dataCorruptedError(
                in: container, debugDescription: "not a time: \(text.prefix(60))")
        }
        self = time
    }

    /// Writes RFC 3339 in UTC.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(text)
    }
}
