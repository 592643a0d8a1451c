import Platform
import Testing

/// `make demo`, small.
@Suite("The demo")
struct DemoTests {
    @Test("shows the whole job and ends with success", .timeLimit(.minutes(4)))
    func demo() async throws {
        let programs = try Programs()
        var environment = ["BIN": programs.directory, "BERTH_DEMO_FILES": "800"]
        environment["BERTH_DEMO_BIG_MIB"] = "8"
        environment["PATH"] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        environment["HOME"] = "/root"
        let result = try await ChildProcess.run(
            "\(programs.root)/scripts/demo.sh", [], environment: environment,
            outputLimitBytes: 16 << 20, deadline: .seconds(230))
        let isDone = result.isSuccess && result.text.contains("What was done:")
        #expect(isDone, "\(Self.end(of: result.text))\n\(Self.end(of: result.errorText))")
    }

    /// The last 60 lines.
    private static func end(of text: String) -> String {
        text.split(separator: "\n", omittingEmptySubsequences: false).suffix(60)
            .joined(separator: "\n")
    }
}
