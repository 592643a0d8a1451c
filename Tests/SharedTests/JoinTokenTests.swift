import Shared
import Testing

@Suite("JoinToken")
struct JoinTokenTests {
    private let token = JoinToken(
        hubs: ["https://hub.example:7443", "https://10.0.0.1:7443"],
        fingerprint: String(repeating: "3f", count: 32), secret: "s3cr?t~with/odd+bytes")

    @Test("the written form is one word that a shell does not touch, and reads back")
    func roundTrip() throws {
        let text = try token.written()
        #expect(text.hasPrefix("berth-join-1."))
        #expect(
            text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "-_.".contains($0)) })
        #expect(JoinToken(text) == token)
    }

    @Test("secrets of every length read back, whatever the padding", arguments: 1...40)
    func lengths(count: Int) throws {
        var longer = token
        longer.secret = String(repeating: "ÿ", count: count)
        #expect(JoinToken(try longer.written()) == longer)
    }

    @Test("every cut of a token is refused")
    func cuts() throws {
        let text = try token.written()
        for count in 0..<text.count { #expect(JoinToken(String(text.prefix(count))) == nil) }
    }

    @Test(
        "what is not a token is refused",
        arguments: [
            "", "berth-join-1.", "berth-join-2.e30", "berth-join-1.e30", "berth-join-1.!!!!",
            "berth-join-1." + String(repeating: "A", count: 9000),
        ])
    func refused(text: String) {
        #expect(JoinToken(text) == nil)
    }

    @Test("a token without address, fingerprint or secret is refused")
    func incomplete() throws {
        var none = token
        none.hubs = []
        #expect(JoinToken(try none.written()) == nil)
        none = token
        none.fingerprint = "3f"
        #expect(JoinToken(try none.written()) == nil)
        none = token
        none.secret = ""
        #expect(JoinToken(try none.written()) == nil)
    }
}
