import Platform

/// A repository in a directory, made and judged by the restic that is installed.
struct StockRestic {
    static let password = "correct horse battery staple"

    let path: String
    private let cache: String

    /// Makes the repository with `restic init`.
    init(at path: String) async throws {
        self.path = path
        cache = path + ".cache"
        _ = try await run("init")
    }

    /// Runs a command and answers its output.
    ///
    /// - Parameter directory: the working directory.
    /// - Throws: `CommandFailed` where restic does not succeed.
    func run(_ arguments: String..., directory: String? = nil) async throws -> ChildResult {
        let result = try await ChildProcess.run(
            "restic", ["--repo", path, "--cache-dir", cache] + arguments,
            environment: [
                "RESTIC_PASSWORD": Self.password, "PATH": "/usr/bin:/bin", "HOME": path,
            ],
            directory: directory, outputLimitBytes: 256 << 20, deadline: .seconds(280))
        guard result.isSuccess else {
            throw CommandFailed("restic \(arguments.joined(separator: " "))", result)
        }
        return result
    }

    /// Backs up what is in a directory, and answers the root tree's id.
    func backUp(contentOf directory: String) async throws -> String {
        _ = try await run("backup", ".", directory: directory)
        let snapshots = try await run("snapshots", "--json", "latest").text
        guard let start = snapshots.firstRange(of: "\"tree\":\"") else { return "" }
        return String(snapshots[start.upperBound...].prefix(64))
    }
}
