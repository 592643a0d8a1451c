import Glibc
import Platform
import Testing

@testable import Hub

@Suite("Keyring")
struct KeyringTests {
    @Test("a sealed secret opens for its own row, and for no other")
    func binds() throws {
        let directory = try TemporaryDirectory()
        let keyring = try Keyring.mint(path: directory.path + "/master.key")
        let secret = Array("correct horse".utf8)
        let sealed = try keyring.seal(secret, kind: "bucket", id: "one")
        let key = keyring.currentKeyID
        #expect(try keyring.open(sealed, kind: "bucket", id: "one", keyID: key) == secret)
        #expect(throws: HubError.self) {
            try keyring.open(sealed, kind: "bucket", id: "two", keyID: key)
        }
        #expect(throws: HubError.self) {
            try keyring.open(sealed, kind: "repository-key", id: "one", keyID: key)
        }
        #expect(throws: HubError.self) {
            try keyring.open(sealed, kind: "bucket", id: "one", keyID: "other")
        }
    }

    @Test("every changed byte of a sealed secret is noticed")
    func notices() throws {
        let directory = try TemporaryDirectory()
        let keyring = try Keyring.mint(path: directory.path + "/master.key")
        let sealed = try keyring.seal([1, 2, 3], kind: "bucket", id: "one")
        for index in sealed.indices {
            var changed = sealed
            changed[index] ^= 1
            #expect(throws: HubError.self) {
                try keyring.open(changed, kind: "bucket", id: "one", keyID: keyring.currentKeyID)
            }
        }
    }

    @Test("a key file that others can read is refused, and never overwritten")
    func permissions() throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/master.key"
        _ = try Keyring.mint(path: path)
        #expect(throws: HubError.self) { try Keyring.mint(path: path) }
        #expect(unsafe chmod(path, 0o644) == 0)
        let error = #expect(throws: HubError.self) { try Keyring.load(path: path) }
        #expect(error?.description.contains("chmod 600") == true)
    }
}
