import Platform
import Shared
import Testing

/// What tests do with a fleet: commands, looks at files and at the database.
extension Fleet {
    /// Runs `berth` to its end.
    @discardableResult
    func berth(_ arguments: String...) async throws -> ChildResult {
        try await berth(arguments)
    }

    /// Runs `berth` to its end.
    func berth(_ arguments: [String]) async throws -> ChildResult {
        try await ChildProcess.run(
            programs.path("berth"), ["--config", path("client.json")] + arguments,
            environment: ["HOME": directory.path, "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"],
            outputLimitBytes: 16 << 20, deadline: .seconds(120))
    }

    /// Runs `berth`, which must succeed, and answers what it wrote.
    @discardableResult
    func done(
        _ arguments: String..., sourceLocation: SourceLocation = #_sourceLocation
    ) async throws -> String {
        try await done(arguments, sourceLocation: sourceLocation)
    }

    /// Runs `berth`, which must succeed, and answers what it wrote.
    @discardableResult
    func done(
        _ arguments: [String], sourceLocation: SourceLocation = #_sourceLocation
    ) async throws -> String {
        let result = try await berth(arguments)
        guard result.isSuccess else {
            Issue.record(
                "berth \(arguments.joined(separator: " ")): \(result.exit): \(result.errorText)",
                sourceLocation: sourceLocation)
            throw FleetFailure()
        }
        return result.text
    }

    /// Runs `berth … -o json`, which must succeed, and answers the document.
    func document(_ arguments: String...) async throws -> JSONValue {
        let result = try await berth(arguments + ["-o", "json"])
        guard result.isSuccess else {
            Issue.record("berth \(arguments.joined(separator: " ")): \(result.errorText)")
            throw FleetFailure()
        }
        return try JSON.decode(JSONValue.self, from: result.output)
    }

    /// Runs a shell line with root's rights, which must succeed.
    @discardableResult
    func shell(_ line: String) async throws -> String {
        let result = try await ChildProcess.run(
            "bash", ["-euc", line], outputLimitBytes: 64 << 20, deadline: .seconds(120))
        guard result.isSuccess else {
            Issue.record("\(line): \(result.errorText)")
            throw FleetFailure()
        }
        return result.text
    }

    /// Everything of a tree, by the independent lister.
    func listing(_ tree: String, skipping name: String = "diary") async throws -> String {
        try await shell("\(programs.root)/scripts/list-tree.py '\(tree)' --skip \(name)")
    }

    /// Makes the awkward tree.
    ///
    /// - Parameter isSmall: without its big sparse file, which takes seconds to read.
    func makeCorpus(bigMebibytes: Int = 4, isSmall: Bool = false) async throws -> String {
        let tree = path("corpus")
        try await shell(
            "\(programs.root)/scripts/make-corpus.py '\(tree)' --awkward-only "
                + "--big-mib \(bigMebibytes)")
        if isSmall { try await shell("rm '\(tree)/awkward/sparse'") }
        return tree
    }

    func path(_ name: String) -> String { directory.path + "/" + name }

    /// Where a project's volume is on a host.
    func volume(_ project: String, on host: String) async throws -> String {
        let id = try await done("project", "show", project, "-o", "id").trimmed
        return path("\(host)/btrfs/projects/\(id)")
    }

    /// The operation's document.
    func operation(_ id: String) async throws -> JSONValue {
        try await document("operation", "show", id)
    }

    /// Looks until a condition holds.
    func eventually(
        _ what: String, within limit: Duration = .seconds(60),
        sourceLocation: SourceLocation = #_sourceLocation,
        _ condition: () async throws -> Bool
    ) async throws {
        let clock = ContinuousClock()
        let end = clock.now + limit
        while clock.now < end {
            if try await condition() { return }
            try await Task.sleep(for: .milliseconds(20))
        }
        Issue.record("\(what) did not happen within \(limit)", sourceLocation: sourceLocation)
        throw FleetFailure()
    }

    /// Runs `berth`, which must end with this code and say each of these.
    func refused(
        _ code: Int32, _ words: [String], _ arguments: String...,
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let result = try await berth(arguments)
        let line = "berth \(arguments.joined(separator: " "))"
        #expect(
            result.exit == .code(code), "\(line): \(result.errorText)",
            sourceLocation: sourceLocation)
        for word in words {
            #expect(
                result.errorText.contains(word), "\(line) does not say \"\(word)\"",
                sourceLocation: sourceLocation)
        }
    }

    /// What the hub's database answers, a line a row.
    func query(_ statement: String) async throws -> String {
        let result = try await ChildProcess.run(
            "psql",
            [
                "--no-psqlrc", "--tuples-only", "--no-align", "--host",
                path("hub/postgres/socket"), "--username", "postgres", "--dbname", "berth",
                "--command", statement,
            ], deadline: .seconds(30))
        guard result.isSuccess else {
            Issue.record("\(statement): \(result.errorText)")
            throw FleetFailure()
        }
        return result.text.trimmed
    }
}

extension String {
    /// Without the line end.
    var trimmed: String {
        String(self.reversed().drop { $0 == "\n" || $0 == " " }.reversed())
    }
}
