/// Commands that need no hub.
enum LocalCommands {
    static let all = [version, completion, help]

    /// This program's version.
    static let versionNumber = "0.1.0"

    private static let version = CommandDescription(
        "version", summary: "The version of this program", examples: ["berth version"]
    ) { invocation in
        struct Body: Encodable {
            let version: String
        }
        try await invocation.publisher.one(
            Body(version: versionNumber), schema: "version/1", id: versionNumber,
            text: "berth \(versionNumber)\n")
        return .done
    }

    private static let completion = CommandDescription(
        "completion", [.one("SHELL")], summary: "A script that completes commands in bash",
        examples: ["eval \"$(berth completion bash)\""]
    ) { invocation in
        guard try invocation.word(0) == "bash" else {
            throw CommandFailure.usage(
                "there is no completion for \"\(invocation.operands[0].shown)\"",
                hint: "berth completion bash")
        }
        try await invocation.console.write(BashCompletion(table: invocation.table).script)
        return .done
    }

    /// The parser answers `help` itself; it is here to be listed and completed.
    private static let help = CommandDescription(
        "help", [.optional("NOUN"), .optional("VERB")], summary: "How to use a command",
        examples: ["berth help", "berth help project move"]
    ) { invocation in
        try await invocation.console.write(HelpText(table: invocation.table).text(of: []))
        return .done
    }
}
