import CPlatform

/// The kernel's random numbers (getrandom(2)), fit for keys.
///
/// Where code must be testable with chosen numbers it takes `any RandomNumberGenerator`; this is
/// the one that programs hand in.
public struct Random: RandomNumberGenerator, Sendable {
    /// Only so that the value has bytes: an empty one that an asynchronous function lends out has
    /// the address of something else, and ThreadSanitizer (Swift 6.3) reports a race or dies on it.
    private var drawn: UInt64 = 0

    /// Every value comes from the kernel; a copy draws others.
    public init() {}

    /// Sixty-four random bits.
    public mutating func next() -> UInt64 {
        drawn &+= 1
        return Random.bytes(8).reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// Random bytes.
    ///
    /// getrandom(2) without flags cannot fail once the pool is initialised, which it waits for.
    /// - Parameter count: how many, 0 or more.
    public static func bytes(_ count: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var filled = 0
        while filled < count {
            let got = unsafe bytes.withUnsafeMutableBytes { buffer in
                let rest = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[filled...])
                return unsafe berth_getrandom(rest.baseAddress, rest.count)
            }
            if got > 0 { filled += got }
        }
        return bytes
    }

    /// Random bytes as lower case hexadecimal digits.
    ///
    /// - Parameter count: how many bytes, each of which gives two digits.
    public static func hex(bytes count: Int) -> String {
        let digits = Array("0123456789abcdef".utf8)
        let text = bytes(count).flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
        return String(decoding: text, as: UTF8.self)
    }
}
