import Platform
import Testing

@Suite("ConfigurationFile")
struct ConfigurationFileTests {
    @Test("values are read by their path and form")
    func reads() throws {
        var file = try ConfigurationFile(
            text: """
                listen = "127.0.0.1:7443"
                addresses = ["a", "b"]
                [limits]
                lease = "6s"
                connections = 12
                strict = true
                """, name: "hub.toml")
        #expect(try file.string("listen") == "127.0.0.1:7443")
        #expect(try file.strings("addresses") == ["a", "b"])
        #expect(
            try file.duration("limits", "lease", in: .seconds(1)...(.seconds(60))) == .seconds(6))
        #expect(try file.integer("limits", "connections", in: 1...100) == 12)
        #expect(try file.bool("limits", "strict") == true)
        #expect(try file.string("absent") == nil)
        try file.refuseUnknown()
    }

    @Test(
        "a complaint names the file, the line and the column",
        arguments: [
            ("listen = \n", "hub.toml:1:"),
            ("\n  listen = 5\n", "hub.toml:2:12: listen must be a string in quotes"),
            (
                "listen = \"a\"\nlisen = \"b\"\n",
                "hub.toml:2:9: lisen is not a known key; did you mean listen?"
            ),
            ("lease = \"10\"\n", "hub.toml:1:9: lease must be a duration in quotes"),
        ])
    func complains(text: String, message: String) {
        let error = #expect(throws: ConfigurationError.self) {
            var file = try ConfigurationFile(text: text, name: "hub.toml")
            _ = try file.string("listen")
            _ = try file.duration("lease", in: .zero...(.seconds(60)))
            try file.refuseUnknown()
        }
        #expect(error?.description.hasPrefix(message) == true, "\(error?.description ?? "")")
    }
}
