import Shared

/// `host …`.
enum HostCommands {
    static let all = [enroll, list, show, check]

    private static let enroll = CommandDescription(
        "host enroll", [.one("NAME")],
        options: [
            OptionDescription("region", .text("REGION"), "where the host is; default default")
        ],
        summary: "Make a one-time token with which a machine joins as a host",
        examples: ["berth host enroll h1", "berth host enroll h1 -o id > token"]
    ) { invocation in
        let request = CreateEnrolmentRequest(
            name: try invocation.word(0), region: try invocation.options.text("region"))
        let answer = try await invocation.change(
            "POST", ["hosts", "enrolments"], body: request, as: CreateEnrolmentAnswer.self)
        try await invocation.publisher.one(
            answer, schema: "enrolment/1", id: answer.joinToken, text: answer.joinToken + "\n")
        if invocation.settings.format == .table {
            await invocation.console.say(
                "On \(HarmlessText.text(answer.name)), until \(answer.expiresAt), once: "
                    + "berth-agent join TOKEN")
        }
        return .done
    }

    private static let list = CommandDescription(
        "host list", aliases: ["ls"], summary: "The machines of the fleet",
        examples: ["berth host list", "berth host list -o jsonl"]
    ) { invocation in
        let page = try await invocation.list(["hosts"], of: HostDescription.self)
        let text = HostText(now: invocation.now())
        try await invocation.publisher.list(
            page, item: "host/1",
            none: "no hosts yet; berth host enroll NAME makes a token for one",
            id: { $0.id.description }, table: text.table)
        return .done
    }

    private static let show = CommandDescription(
        "host show", aliases: ["get"], [.one("HOST")], summary: "One host",
        examples: ["berth host show h1"]
    ) { invocation in
        let host = try await invocation.hub().send(
            .get(["hosts", try invocation.word(0)]), as: HostDescription.self)
        try await invocation.publisher.one(
            host, schema: "host/1", id: host.id.description,
            text: HostText(now: invocation.now()).details(host))
        return .done
    }

    private static let check = CommandDescription(
        "host check", [.one("HOST")], summary: "Send a host an operation that only answers",
        examples: ["berth host check h1", "berth host check h1 --timeout 5s"]
    ) { invocation in
        let host = try invocation.word(0)
        return try await invocation.perform("POST", ["hosts", host, "check"]) { operation in
            .took("\(HarmlessText.text(operation.scopeName ?? host)) answered", operation)
        }
    }
}
