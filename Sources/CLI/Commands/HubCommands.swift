import Shared

/// `login`, `logout` and `status`.
enum HubCommands {
    static let all = [login, logout, status]

    private static let login = CommandDescription(
        "login",
        options: [
            OptionDescription(
                "token-file", .text("FILE"), "the file that holds the token; - for standard input"),
            OptionDescription(
                "fingerprint", .text("HEX"), "SHA-256 of the hub's CA certificate, to trust it by"),
            OptionDescription("name", .text("NAME"), "who you are, for the record"),
        ],
        summary: "Keep a hub's address, certificate and a token for all other commands",
        details: """
            The token that berth-hub init writes holds the hub's address and fingerprint; with any
            other token give --hub, and --fingerprint unless a public authority vouches for the hub.
            """,
        examples: [
            "berth login --token-file /var/lib/berth/admin-token --name anna",
            "berth login --hub https://hub.example:7443 --fingerprint 3fa9… --token-file - --name ci",
        ],
        run: { try await Login(invocation: $0).run() })

    private static let logout = CommandDescription(
        "logout", summary: "Forget the hub and the token",
        examples: ["berth logout"]
    ) { invocation in
        let path = invocation.settings.contextPath
        if try Context.forget(path) {
            await invocation.console.say("logged out: \(path) is removed")
        } else {
            await invocation.console.say("you were not logged in")
        }
        return .done
    }

    private static let status = CommandDescription(
        "status", summary: "The fleet in one screen",
        examples: ["berth status", "berth status -o json"]
    ) { invocation in
        let status = try await invocation.hub().send(.get(["status"]), as: FleetStatus.self)
        let text = StatusText(isColored: invocation.console.surface.isOutputColored)
        try await invocation.publisher.one(
            status, schema: "status/1", id: status.version, text: text.text(status))
        return .done
    }
}
