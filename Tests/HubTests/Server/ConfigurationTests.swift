import Platform
import Testing

@testable import Hub

@Suite("The hub's configuration and command line")
struct ConfigurationTests {
    @Test("without a file everything has its default")
    func defaults() throws {
        let directory = try TemporaryDirectory()
        let configuration = try Configuration.load(dataDirectory: directory.path)
        #expect(configuration.listen == Configuration.ListenAddress(host: "127.0.0.1", port: 7443))
        #expect(configuration.publicAddresses == ["https://127.0.0.1:7443"])
        #expect(configuration.database == nil)
        #expect(configuration.lease == .seconds(30))
    }

    @Test(
        "what is wrong is named with its line and column",
        arguments: [
            ("listen = \"nowhere\"", ":1:10: listen must be an address and a port"),
            ("\n[limits]\nlease = \"1s\"", ":3:9: limits.lease must be from"),
            (
                "database_usr = \"x\"",
                ":1:16: database_usr is not a known key; did you mean database_user?"
            ),
            ("addresses = [\"http://hub\"]", "addresses must be https://host:port"),
        ])
    func complaints(text: String, message: String) throws {
        let directory = try TemporaryDirectory()
        try DurableFile.write(Array(text.utf8), to: directory.path + "/hub.toml")
        let error = #expect(throws: ConfigurationError.self) {
            try Configuration.load(dataDirectory: directory.path)
        }
        #expect(error?.description.contains(message) == true, "\(error?.description ?? "")")
    }

    @Test(
        "a command line that cannot be carried out says so",
        arguments: [
            ["serve"], ["serve", "--data"], ["swerve", "--data", "/x"], ["init", "--dta", "/x"],
        ])
    func usage(arguments: [String]) {
        #expect(throws: UsageError.self) { try HubCall(arguments) }
    }
}
