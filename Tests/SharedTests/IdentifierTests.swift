import Shared
import Testing

@Suite("Identifier")
struct IdentifierTests {
    /// The prefix of the specification's own vectors.
    private enum Prefix: IdentifierKind {
        static let prefix = "prefix"
    }

    /// From typeid's `valid.yml` (specification 0.3).
    @Test(
        "the specification's vectors have the same UUID",
        arguments: [
            ("prefix_00000000000000000000000000", "00000000-0000-0000-0000-000000000000"),
            ("prefix_00000000000000000000000001", "00000000-0000-0000-0000-000000000001"),
            ("prefix_0000000000000000000000000a", "00000000-0000-0000-0000-00000000000a"),
            ("prefix_0000000000000000000000000g", "00000000-0000-0000-0000-000000000010"),
            ("prefix_00000000000000000000000010", "00000000-0000-0000-0000-000000000020"),
            ("prefix_7zzzzzzzzzzzzzzzzzzzzzzzzz", "ffffffff-ffff-ffff-ffff-ffffffffffff"),
            ("prefix_0123456789abcdefghjkmnpqrs", "0110c853-1d09-52d8-d73e-1194e95b5f19"),
            ("prefix_01h455vb4pex5vsknk084sn02q", "01890a5d-ac96-774b-bcce-b302099a8057"),
        ])
    func vectors(text: String, uuid: String) throws {
        let identifier = try #require(Identifier<Prefix>(text))
        #expect(identifier.uuid == uuid)
        #expect(identifier.description == text)
        #expect(Identifier<Prefix>(uuid: uuid) == identifier)
    }

    @Test(
        "what is not an identifier of the kind is refused",
        arguments: [
            "", "prefix", "prefix_", "prefix_8zzzzzzzzzzzzzzzzzzzzzzzzz",
            "prefix_0123456789ABCDEFGHJKMNPQRS", "prefix_ooooooooooooooooooooiiiiii",
            "prefix_000000000000000000000000000", "prefix_0000000000000000000000000",
            "prefix-00000000000000000000000000", "Prefix_00000000000000000000000000",
            "00000000000000000000000000", "project_00000000000000000000000000",
            "prefix_0000000000000000000000000é", " prefix_00000000000000000000000000",
        ])
    func refused(text: String) {
        #expect(Identifier<Prefix>(text) == nil)
    }

    @Test(
        "what is not a UUID is refused",
        arguments: [
            "", "01890a5d-ac96-774b-bcce-b302099a805", "01890a5dac96774bbcceb302099a8057",
            "01890a5d-ac96-774b-bcce-b302099a805g", "01890a5da-c96-774b-bcce-b302099a8057",
            "------------------------------------",
        ])
    func refusedUUID(text: String) {
        #expect(ProjectID(uuid: text) == nil)
    }

    @Test("new identifiers survive text, UUID and JSON, are UUIDv7, and sort by time and as text")
    func roundTrip() throws {
        var random = SeededRandom(seed: 7)
        var made: [OperationID] = []
        for step in 0..<500 {
            let time = Int64(step) * 86_400_000 + Int64(random.next() % 1000)
            made.append(
                OperationID(milliseconds: time, random: (random.next(), random.next())))
        }
        for identifier in made {
            #expect(OperationID(identifier.description) == identifier)
            #expect(OperationID(uuid: identifier.uuid) == identifier)
            #expect(OperationID(uuid: identifier.uuid.uppercased()) == identifier)
            let json = try JSON.encode([identifier])
            #expect(try JSON.decode([OperationID].self, from: json) == [identifier])
            let digits = Array(identifier.uuid)
            #expect(digits[14] == "7")
            #expect("89ab".contains(digits[19]))
        }
        #expect(made == made.sorted())
        #expect(made.map(\.description) == made.map(\.description).sorted())
        #expect(made.map(\.uuid) == made.map(\.uuid).sorted())
    }

    @Test("an identifier of another kind in a document is refused with its text")
    func wrongKind() {
        let host = #"["host_01h455vb4pex5vsknk084sn02q"]"#
        let error = #expect(throws: DecodingError.self) {
            try JSON.decode([ProjectID].self, from: host.utf8)
        }
        #expect("\(error, default: "none")".contains("project_"))
    }
}
