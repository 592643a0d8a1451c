import COpenSSL

/// The name of a blob, pack, index or snapshot: the SHA-256 of its content (restic design,
/// "Repository Format": every file but `config` is named by the hash of its stored bytes, every
/// blob by the hash of its plaintext).
public struct BlobID: Hashable, Comparable, Sendable, CustomStringConvertible {
    // Four big-endian words, so that comparison is the comparison of the bytes.
    private let first: UInt64
    private let second: UInt64
    private let third: UInt64
    private let fourth: UInt64

    /// - Parameter bytes: exactly 32 bytes; nil is returned for any other count.
    public init?(bytes: some Collection<UInt8>) {
        guard bytes.count == 32 else { return nil }
        var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
        for (index, byte) in bytes.enumerated() {
            switch index >> 3 {
            case 0: words.0 = words.0 << 8 | UInt64(byte)
            case 1: words.1 = words.1 << 8 | UInt64(byte)
            case 2: words.2 = words.2 << 8 | UInt64(byte)
            default: words.3 = words.3 << 8 | UInt64(byte)
            }
        }
        (first, second, third, fourth) = words
    }

    /// The 32 bytes at an offset, which the caller knows to be there.
    init(loading raw: UnsafeRawBufferPointer, at offset: Int) {
        first = unsafe UInt64(bigEndian: raw.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
        second = unsafe UInt64(
            bigEndian: raw.loadUnaligned(fromByteOffset: offset + 8, as: UInt64.self))
        third = unsafe UInt64(
            bigEndian: raw.loadUnaligned(fromByteOffset: offset + 16, as: UInt64.self))
        fourth = unsafe UInt64(
            bigEndian: raw.loadUnaligned(fromByteOffset: offset + 24, as: UInt64.self))
    }

    /// The SHA-256 of `content` (FIPS 180-4).
    public init(hashing content: [UInt8]) {
        let digest = unsafe [UInt8](unsafeUninitializedCapacity: 32) { buffer, count in
            unsafe SHA256(content, content.count, buffer.baseAddress)
            count = 32
        }
        guard let id = BlobID(bytes: digest) else {
            preconditionFailure("SHA-256 has 32 bytes")
        }
        self = id
    }

    /// - Parameter hex: exactly 64 lower-case hexadecimal digits; nil is returned for anything else.
    public init?(hex: some StringProtocol) {
        self.init(hex: hex.utf8)
    }

    /// The same for text that is bytes.
    init?(hex: some Sequence<UInt8>) {
        var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
        var count = 0
        for unit in hex {
            let digit: UInt8
            switch unit {
            case 0x30...0x39: digit = unit - 0x30
            case 0x61...0x66: digit = unit - 0x61 + 10
            default: return nil
            }
            switch count >> 4 {
            case 0: words.0 = words.0 << 4 | UInt64(digit)
            case 1: words.1 = words.1 << 4 | UInt64(digit)
            case 2: words.2 = words.2 << 4 | UInt64(digit)
            case 3: words.3 = words.3 << 4 | UInt64(digit)
            default: return nil
            }
            count += 1
        }
        guard count == 64 else { return nil }
        (first, second, third, fourth) = words
    }

    /// - Parameter hexDigits: the same as bytes.
    init?(hexDigits digits: ArraySlice<UInt8>) {
        guard digits.count == 64 else { return nil }
        var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
        let start = digits.startIndex
        for index in 0..<16 {
            guard let first = Self.digit(digits[start + index]),
                let second = Self.digit(digits[start + 16 + index]),
                let third = Self.digit(digits[start + 32 + index]),
                let fourth = Self.digit(digits[start + 48 + index])
            else { return nil }
            words.0 = words.0 << 4 | first
            words.1 = words.1 << 4 | second
            words.2 = words.2 << 4 | third
            words.3 = words.3 << 4 | fourth
        }
        (first, second, third, fourth) = words
    }

    private static func digit(_ byte: UInt8) -> UInt64? {
        switch byte {
        case 0x30...0x39: UInt64(byte - 0x30)
        case 0x61...0x66: UInt64(byte - 0x61 + 10)
        default: nil
        }
    }

    /// The 32 bytes.
    public var bytes: [UInt8] {
        unsafe [UInt8](unsafeUninitializedCapacity: 32) { buffer, count in
            let raw = UnsafeMutableRawBufferPointer(buffer)
            unsafe raw.storeBytes(of: first.bigEndian, toByteOffset: 0, as: UInt64.self)
            unsafe raw.storeBytes(of: second.bigEndian, toByteOffset: 8, as: UInt64.self)
            unsafe raw.storeBytes(of: third.bigEndian, toByteOffset: 16, as: UInt64.self)
            unsafe raw.storeBytes(of: fourth.bigEndian, toByteOffset: 24, as: UInt64.self)
            count = 32
        }
    }

    /// 64 lower-case hexadecimal digits.
    public var hex: String {
        unsafe String(unsafeUninitializedCapacity: 64) { unsafe writeHex(to: $0) }
    }

    /// Appends the 64 digits; cheaper than `hex` where text is put together as bytes.
    func appendHex(to text: inout [UInt8]) {
        text += unsafe [UInt8](unsafeUninitializedCapacity: 64) { buffer, count in
            count = unsafe writeHex(to: buffer)
        }
    }

    private func writeHex(to buffer: UnsafeMutableBufferPointer<UInt8>) -> Int {
        unsafe Self.writeHex(first, to: buffer, at: 0)
        unsafe Self.writeHex(second, to: buffer, at: 16)
        unsafe Self.writeHex(third, to: buffer, at: 32)
        unsafe Self.writeHex(fourth, to: buffer, at: 48)
        return 64
    }

    /// Sixteen digits, two steps for eight of them: the nibbles of 32 bits are spread over eight
    /// bytes, and each becomes a digit or, from ten on, a letter.
    private static func writeHex(
        _ word: UInt64, to buffer: UnsafeMutableBufferPointer<UInt8>, at offset: Int
    ) {
        let raw = UnsafeMutableRawBufferPointer(buffer)
        unsafe raw.storeBytes(
            of: digits(of: word >> 32).bigEndian, toByteOffset: offset, as: UInt64.self)
        unsafe raw.storeBytes(
            of: digits(of: word & 0xffff_ffff).bigEndian, toByteOffset: offset + 8,
            as: UInt64.self)
    }

    private static func digits(of half: UInt64) -> UInt64 {
        var spread = (half | half << 16) & 0x0000_ffff_0000_ffff
        spread = (spread | spread << 8) & 0x00ff_00ff_00ff_00ff
        spread = (spread | spread << 4) & 0x0f0f_0f0f_0f0f_0f0f
        // Adding six carries into bit four just for ten and above; '0' is 0x30, 'a' is 10 + 0x57.
        let letters = (spread &+ 0x0606_0606_0606_0606) >> 4 & 0x0101_0101_0101_0101
        return spread &+ 0x3030_3030_3030_3030 &+ letters &* 0x27
    }

    /// Hashes the first eight bytes: they are as evenly spread as any hash of all of them.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(first)
    }

    public var description: String { hex }

    public static func < (left: BlobID, right: BlobID) -> Bool {
        (left.first, left.second, left.third, left.fourth)
            < (right.first, right.second, right.third, right.fourth)
    }
}
