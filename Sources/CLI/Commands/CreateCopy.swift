import Shared

/// Starts a copy for each path that it has at its destinations, then waits for all of them.
struct CreateCopy: Sendable {
    let invocation: Invocation

    func run() async throws -> ExitCode {
        let requests = try requests()
        var operations: [OperationDescription] = []
        for request in requests {
            operations.append(
                try await invocation.change(
                    "POST", ["copies"], body: request, as: OperationDescription.self))
        }
        var worst = ExitCode.done
        for (operation, request) in zip(operations, requests) {
            let count = Quantity.count(Int64(request.destinations.count), "project")
            let what = HarmlessText.name(request.path.bytes)
            let code = try await invocation.follow(operation) { end in
                .took("copied \(what) into \(count)", end)
            }
            if code != .done { worst = code }
        }
        return worst
    }

    /// One request for each path at the destinations, in the order of the command line.
    func requests() throws -> [CreateCopyRequest] {
        let options = invocation.options
        let path = try ProjectPath(argument: invocation.operands[1])
        var groups: [(path: ProjectPath?, projects: [String])] = []
        for word in options.words("to") {
            let (project, path) = try Self.destination(word)
            if let index = groups.firstIndex(where: { $0.path == path }) {
                groups[index].projects.append(project)
            } else {
                groups.append((path, [project]))
            }
        }
        guard !groups.isEmpty else {
            throw CommandFailure.usage(
                "berth copy create needs --to PROJECT", hint: "berth help copy create")
        }
        let source = try invocation.word(0)
        let backup = try options.text("backup")
        let overwrite = try options.choice("overwrite", default: Overwrite.never)
        return groups.map { group in
            CreateCopyRequest(
                source: source, path: path, destinations: group.projects,
                destinationPath: group.path, overwrite: overwrite, backup: backup)
        }
    }

    /// `PROJECT` or `PROJECT:PATH`; the path in raw bytes.
    static func destination(_ word: Argument) throws(CommandFailure) -> (String, ProjectPath?) {
        let colon = word.bytes.firstIndex(of: 0x3A) ?? word.bytes.endIndex
        let project = String(validating: word.bytes[..<colon], as: UTF8.self)
        guard let project, !project.isEmpty else {
            throw .usage("\"\(word.shown)\" is not PROJECT or PROJECT:PATH", hint: "--to PROJECT")
        }
        guard colon < word.bytes.endIndex else { return (project, nil) }
        let path = Argument(bytes: Array(word.bytes[(colon + 1)...]))
        return (project, try ProjectPath(argument: path))
    }
}
