/// One value of a log entry's metadata.
public enum LogValue: Sendable, Equatable {
    /// Text; more than 4 KiB of it is cut.
    case string(String)
    /// A whole number.
    case integer(Int64)
    /// A number; not finite ones are written as text.
    case number(Double)
    /// A truth value.
    case bool(Bool)
    /// A secret, of which nothing is written.
    case redacted

    /// Any other value by its description, such as an error.
    public init(describing value: some Sendable) {
        self = value is SecretBytes ? .redacted : .string(String(describing: value))
    }

    /// A secret is never written.
    public init(_ secret: SecretBytes) {
        self = .redacted
    }

    /// A length of time, as seconds.
    public init(_ duration: Duration) {
        self = .number(duration / .seconds(1))
    }
}

extension LogValue: ExpressibleByStringLiteral, ExpressibleByStringInterpolation {
    /// Text as written.
    public init(stringLiteral value: String) { self = .string(value) }
}

extension LogValue: ExpressibleByIntegerLiteral {
    /// A number as written.
    public init(integerLiteral value: Int64) { self = .integer(value) }
}

extension LogValue: ExpressibleByFloatLiteral {
    /// A number as written.
    public init(floatLiteral value: Double) { self = .number(value) }
}

extension LogValue: ExpressibleByBooleanLiteral {
    /// A truth value as written.
    public init(booleanLiteral value: Bool) { self = .bool(value) }
}
