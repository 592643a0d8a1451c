import Shared

/// Proves that a master key fits a database: a known text sealed with it, under the timeline's id.
enum KeyringCheck {
    private static let text = Array("berth master key check".utf8)
    private static let kind = "keyring-check"

    /// What `init` stores: the key's id, a zero byte, the sealed text.
    static func make(_ keyring: Keyring, timeline: TimelineID) throws -> [UInt8] {
        Array(keyring.currentKeyID.utf8) + [0]
            + (try keyring.seal(text, kind: kind, id: timeline.uuid))
    }

    /// Fails closed unless the keyring opens what `init` stored.
    ///
    /// - Throws: `HubError` `.masterKey`.
    static func verify(_ stored: [UInt8], keyring: Keyring, timeline: TimelineID) throws {
        let failure = HubError(
            .masterKey, "the master key file does not fit this database",
            hint: "put back the key file that was made by berth-hub init for it")
        guard let end = stored.firstIndex(of: 0) else { throw failure }
        do {
            let opened = try keyring.open(
                Array(stored[(end + 1)...]), kind: kind, id: timeline.uuid,
                keyID: String(decoding: stored[..<end], as: UTF8.self))
            guard opened == text else { throw failure }
        } catch is HubError {
            throw failure
        }
    }
}
