/// Colours of a terminal; never the only sign of anything.
enum Color: Int, Sendable {
    case red = 31
    case green = 32
    case yellow = 33

    /// The text in this colour (ECMA-48 SGR), or as it is.
    func paint(_ text: String, _ isColored: Bool) -> String {
        isColored ? "\u{1B}[\(rawValue)m\(text)\u{1B}[0m" : text
    }
}
