/// One word of the command line in raw bytes, because file names are bytes.
struct Argument: Hashable, Sendable {
    let bytes: [UInt8]

    init(bytes: [UInt8]) {
        self.bytes = bytes
    }

    init(_ text: String) {
        bytes = Array(text.utf8)
    }

    /// The word as text, or nil when it is not UTF-8.
    var text: String? { String(validating: bytes, as: UTF8.self) }

    /// The word for messages.
    var shown: String { HarmlessText.name(bytes) }
}
