import Testing

@testable import Postgres

@Suite("The text form of arrays")
struct PostgresArrayTextTests {
    @Test(
        "comes back as it was",
        arguments: [
            [], ["a"], ["a", nil, "NULL", ""], ["comma, quote \" backslash \\ brace {}"],
            ["snow ☃", "line\nbreak", " spaces "],
        ] as [[String?]])
    func roundTrip(items: [String?]) {
        let text = PostgresArrayText.encode(items)
        #expect(PostgresArrayText.decode(Array(text.utf8)[...]) == items)
    }

    @Test(
        "refuses what is malformed", arguments: ["", "{", "}", "{a,}", "{\"a}", "{{1},{2}}", "1"])
    func malformed(text: String) {
        #expect(PostgresArrayText.decode(Array(text.utf8)[...]) == nil)
    }
}
