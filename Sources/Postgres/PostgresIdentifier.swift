/// Quoting of names that are not known when the program is written.
enum PostgresIdentifier {
    /// A name in double quotes, inner quotes doubled.
    ///
    /// A NUL byte, which no name can have, ends up
    /// as a replacement character, so that the server sees a name that does not exist.
    static func quoted(_ name: String) -> String {
        var text = "\""
        for scalar in name.unicodeScalars {
            switch scalar {
            case "\"": text += "\"\""
            case "\0": text += "\u{FFFD}"
            default: text.unicodeScalars.append(scalar)
            }
        }
        return text + "\""
    }
}
