/// What people type for an identifier: the whole, or at least four characters of its beginning or
/// its end, with or without the prefix.
public enum IdentifierPattern<Kind: IdentifierKind>: Sendable, Hashable {
    /// The whole identifier.
    case exact(Identifier<Kind>)
    /// All identifiers between two, both included: those that begin with what was typed, or end
    /// with it, the latter being those whose low 64 bits are `value` under `mask`.
    case part(
        lower: Identifier<Kind>, upper: Identifier<Kind>, mask: UInt64, value: UInt64)

    /// Reads what was typed; nil when it cannot be a part of an identifier.
    public init?(_ text: String) {
        let typed = text.lowercased()
        let bare =
            typed.hasPrefix(Kind.prefix + "_")
            ? String(typed.dropFirst(Kind.prefix.utf8.count + 1)) : typed
        if let whole = Identifier<Kind>(Kind.prefix + "_" + bare) {
            self = .exact(whole)
            return
        }
        let count = bare.utf8.count
        let digits = bare.utf8.compactMap { Base32.value(of: $0) }
        guard (4..<26).contains(count), digits.count == count else { return nil }
        // The written form begins with `0` to `7`; anything else can only be an ending.
        let lower = Identifier<Kind>(
            Kind.prefix + "_" + bare + String(repeating: "0", count: 26 - count))
        let upper = Identifier<Kind>(
            Kind.prefix + "_" + bare + String(repeating: "z", count: 26 - count))
        let tail = digits.suffix(12)
        let value = tail.reduce(UInt64(0)) { $0 << 5 | UInt64($1) }
        let mask = UInt64(1) << UInt64(5 * tail.count) - 1
        let none = Identifier<Kind>(words: (.max, .max))
        self = .part(lower: lower ?? none, upper: upper ?? none, mask: mask, value: value)
    }
}
