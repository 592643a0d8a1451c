import Platform
import Shared

/// Gives out what stock restic needs to open a project's repository.
struct ExportKey: Sendable {
    let invocation: Invocation

    func run() async throws -> ExitCode {
        let project = try invocation.word(0)
        let file = try invocation.options.text("password-file")
        let export = try await invocation.change(
            "POST", ["projects", project, "repository-key"], as: RepositoryKeyExport.self)
        if let file {
            do {
                try DurableFile.write(Array((export.password + "\n").utf8), to: file, mode: 0o600)
            } catch {
                throw CommandFailure(
                    .otherFailure, code: "output", "cannot write the password: \(error)",
                    hint: "name a file in a directory that exists and is yours")
            }
        }
        try await publish(export, file)
        return .done
    }

    private func publish(_ export: RepositoryKeyExport, _ file: String?) async throws {
        var document = try JSON.value(export)
        if file != nil, case .object(var members) = document {
            members["password"] = nil
            members["passwordFile"] = file.map { .string($0) }
            document = .object(members)
        }
        let password =
            file.map { "export RESTIC_PASSWORD_FILE=\(Self.quoted($0))" }
            ?? "export RESTIC_PASSWORD=\(Self.quoted(export.password))"
        let text = "export RESTIC_REPOSITORY=\(Self.quoted(export.location))\n\(password)\n"
        try await invocation.publisher.one(
            document, schema: "repository-key/1", id: export.repository.description, text: text)
        if invocation.settings.format == .table {
            await invocation.console.say(
                "Then, for example: restic snapshots --no-lock; "
                    + "restic check --read-data --no-lock; "
                    + "restic restore latest --no-lock --target DIRECTORY")
        }
    }

    /// A word for a POSIX shell.
    static func quoted(_ word: String) -> String {
        "'"
            + word.split(separator: "'", omittingEmptySubsequences: false)
            .joined(separator: #"'\''"#) + "'"
    }
}
