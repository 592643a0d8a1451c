import COpenSSL
import FoundationEssentials
import Glibc
import Platform

/// The master keys that seal the hub's secrets: AES-256-GCM, with the secret's kind, identity and
/// key id as associated data, so that a sealed value fits one row only.
///
/// The key file holds a line a key, `berth-key-1 <id> <base64 of 32 bytes>`; the first one seals,
/// all of them open. It is 0600 and lies outside the database.
struct Keyring: Sendable {
    private struct Key: Sendable {
        let id: String
        let bytes: SecretBytes
    }

    private let keys: [Key]

    /// The id of the key that seals.
    var currentKeyID: String { keys[0].id }

    /// Makes the first master key and stores it; only `berth-hub init` does.
    ///
    /// - Throws: `HubError` `.masterKey` when the file exists: a key is never overwritten.
    static func mint(path: String) throws -> Keyring {
        if unsafe access(path, F_OK) == 0 {
            throw HubError(
                .masterKey, "the master key file \(path) exists",
                hint: "move it away only if no database needs it")
        }
        let id = "k" + Random.hex(bytes: 4)
        let line = "berth-key-1 \(id) \(Data(Random.bytes(32)).base64EncodedString())\n"
        try DurableFile.write(Array(line.utf8), to: path, mode: 0o600)
        return try load(path: path)
    }

    /// Reads the key file.
    ///
    /// - Throws: `HubError` `.masterKey` when it is missing, readable by others or malformed.
    static func load(path: String) throws -> Keyring {
        var status = stat()
        guard unsafe stat(path, &status) == 0 else {
            throw HubError(
                .masterKey, "the master key file \(path) cannot be read: \(describe(errno: errno))",
                hint: "put the key file back from your safe place; without it no backup opens")
        }
        guard status.st_mode & 0o077 == 0 else {
            throw HubError(
                .masterKey, "the master key file \(path) can be read by others",
                hint: "chmod 600 \(path)")
        }
        let text = String(decoding: try DurableFile.read(path, limitBytes: 65_536), as: UTF8.self)
        let keys = try text.split(separator: "\n").map { line -> Key in
            let words = line.split(separator: " ")
            guard words.count == 3, words[0] == "berth-key-1",
                let bytes = Data(base64Encoded: String(words[2])), bytes.count == 32
            else {
                throw HubError(.masterKey, "the master key file \(path) is damaged")
            }
            return Key(id: String(words[1]), bytes: SecretBytes(bytes))
        }
        guard !keys.isEmpty else {
            throw HubError(.masterKey, "the master key file \(path) is empty")
        }
        return Keyring(keys: keys)
    }

    /// Seals a secret.
    ///
    /// - Returns: nonce (12 bytes), ciphertext and tag (16 bytes).
    func seal(_ plaintext: [UInt8], kind: String, id: String) throws -> [UInt8] {
        let nonce = Random.bytes(12)
        let key = keys[0]
        let (body, tag) = try key.bytes.withBytes { bytes in
            try Self.crypt(
                plaintext, key: bytes, nonce: nonce, data: associated(kind, id, key.id), tag: nil)
        }
        return nonce + body + tag
    }

    /// Opens a sealed secret.
    ///
    /// - Throws: `HubError` `.secret` when the key is not in the ring or the value was changed or
    ///   belongs to another row.
    func open(_ sealed: [UInt8], kind: String, id: String, keyID: String) throws -> [UInt8] {
        guard let key = keys.first(where: { $0.id == keyID }) else {
            throw HubError(
                .secret, "the secret of \(kind) \(id) needs the master key \(keyID)",
                hint: "add that key's line to the key file")
        }
        guard sealed.count >= 28 else {
            throw HubError(.secret, "the sealed secret of \(kind) \(id) is cut off")
        }
        let body = Array(sealed[12..<sealed.count - 16])
        do {
            return try key.bytes.withBytes { bytes in
                try Self.crypt(
                    body, key: bytes, nonce: Array(sealed.prefix(12)),
                    data: associated(kind, id, keyID), tag: Array(sealed.suffix(16))
                ).body
            }
        } catch {
            throw HubError(
                .secret, "the sealed secret of \(kind) \(id) does not open with the key \(keyID)",
                hint: "the key file belongs to another database, or the row was changed")
        }
    }

    private func associated(_ kind: String, _ id: String, _ keyID: String) -> [UInt8] {
        Array("\(kind)|\(id)|\(keyID)".utf8)
    }

    /// AES-256-GCM (NIST SP 800-38D) one way or, with a tag to check, the other.
    private static func crypt(
        _ input: [UInt8], key: [UInt8], nonce: [UInt8], data: [UInt8], tag: [UInt8]?
    ) throws -> (body: [UInt8], tag: [UInt8]) {
        let failure = HubError(.secret, "AES-256-GCM failed")
        guard let context = unsafe EVP_CIPHER_CTX_new() else { throw failure }
        defer { unsafe EVP_CIPHER_CTX_free(context) }
        let direction: Int32 = tag == nil ? 1 : 0
        var output = [UInt8](repeating: 0, count: input.count)
        var made = tag ?? [UInt8](repeating: 0, count: 16)
        var length: Int32 = 0
        guard
            unsafe EVP_CipherInit_ex(
                context, EVP_aes_256_gcm(), nil, key, nonce, direction) == 1,
            unsafe EVP_CipherUpdate(context, nil, &length, data, Int32(data.count)) == 1,
            unsafe EVP_CipherUpdate(context, &output, &length, input, Int32(input.count)) == 1
        else { throw failure }
        if tag != nil {
            guard
                unsafe EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, 16, &made) == 1
            else { throw failure }
        }
        var rest = [UInt8](repeating: 0, count: 16)
        guard unsafe EVP_CipherFinal_ex(context, &rest, &length) == 1 else { throw failure }
        if tag == nil {
            guard
                unsafe EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, 16, &made) == 1
            else { throw failure }
        }
        return (output, made)
    }
}
