import HTTP
import Testing

@Suite("Event stream")
struct SSETests {
    @Test(
        "the decoder reads what the encoder writes, in pieces of any size", arguments: [1, 3, 1000])
    func roundTrip(pieceBytes: Int) throws {
        let events = [
            SSEEvent(id: "1", event: "state", data: "{\"a\":1}"),
            SSEEvent(id: "1", data: "two\nlines\n"), SSEEvent(id: "1", data: ""),
            SSEEvent(id: "7", event: "ü", data: " leading space: and colon"),
        ]
        var bytes = SSEEncoder.retry(after: .seconds(3)) + SSEEncoder.heartbeat
        for event in events { bytes += SSEEncoder.encode(event) + SSEEncoder.heartbeat }
        var decoder = SSEDecoder()
        var read: [SSEEvent] = []
        for start in stride(from: 0, to: bytes.count, by: pieceBytes) {
            read += try decoder.decode(bytes[start..<min(bytes.count, start + pieceBytes)])
        }
        #expect(read == events)
        #expect(decoder.lastEventID == "7")
        #expect(decoder.retryDelay == .seconds(3))
    }

    @Test(
        "other servers' forms are read as the standard says",
        arguments: [
            ("\u{FEFF}data: a\r\n\r\n", ["a"]), ("data:a\rdata:b\r\r", ["a\nb"]),
            ("event: x\n\n", []), ("data\n\n", [""]), ("data: a", []),
            ("unknown: x\n: comment\ndata:  a\n\n", [" a"]),
        ] as [(String, [String])])
    func forms(text: String, data: [String]) throws {
        var decoder = SSEDecoder()
        #expect(try decoder.decode(text.utf8).map(\.data) == data)
    }

    @Test("an event beyond the limit is refused")
    func tooLarge() {
        var decoder = SSEDecoder(limitBytes: 100)
        #expect(throws: HTTPError.self) {
            for _ in 0..<20 { _ = try decoder.decode("data: 123456\n".utf8) }
        }
    }

    @Test("line breaks cannot break out of an id or name")
    func injection() throws {
        var decoder = SSEDecoder()
        let bytes = SSEEncoder.encode(SSEEvent(id: "1\ndata: x", event: "a\rb", data: "d\r\0e"))
        let events = try decoder.decode(bytes)
        #expect(events == [SSEEvent(id: "1data: x", event: "ab", data: "de")])
    }
}
