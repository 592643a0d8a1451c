/// The UUID of a file system or subvolume; lower case with hyphens as text.
public struct BtrfsUUID: Sendable, Hashable, CustomStringConvertible {
    private let high: UInt64
    private let low: UInt64

    /// From 16 bytes; further ones do not count.
    init(bytes: some Sequence<UInt8>) {
        var number: [UInt64] = [0, 0]
        for (index, byte) in bytes.prefix(16).enumerated() {
            number[index / 8] |= UInt64(byte) << (56 - index % 8 * 8)
        }
        high = number[0]
        low = number[1]
    }

    /// From its text form; nil when it is not one.
    public init?(_ text: String) {
        let digits = text.utf8.filter { $0 != UInt8(ascii: "-") }
        let string = String(decoding: digits, as: UTF8.self)
        guard text.utf8.count == 36, digits.count == 32,
            let high = UInt64(string.prefix(16), radix: 16),
            let low = UInt64(string.suffix(16), radix: 16)
        else { return nil }
        self.high = high
        self.low = low
    }

    /// Whether it is all zeroes, which btrfs writes for "none".
    public var isZero: Bool { high == 0 && low == 0 }

    /// Such as `0b0f2a9c-7f0b-4c53-9a04-6a3f3c1d2e5f`.
    public var description: String {
        let digits = hex(high) + hex(low)
        var text = ""
        for (index, digit) in digits.enumerated() {
            if [8, 12, 16, 20].contains(index) { text += "-" }
            text.append(digit)
        }
        return text
    }

    private func hex(_ number: UInt64) -> String {
        let digits = String(number, radix: 16)
        return String(repeating: "0", count: 16 - digits.utf8.count) + digits
    }
}
