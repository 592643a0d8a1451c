import ObjectStore
import Platform

@testable import Repository

/// The restic that is installed, on a repository in a directory that somebody else made.
struct ResticJudge {
    static let password = "correct horse battery staple"

    let path: String

    /// Runs a command; any exit code is an answer.
    func run(_ arguments: String..., directory: String? = nil) async throws -> ChildResult {
        try await ChildProcess.run(
            "restic", ["--repo", path, "--no-cache"] + arguments,
            environment: [
                "RESTIC_PASSWORD": Self.password, "PATH": "/usr/bin:/bin", "HOME": path,
            ],
            directory: directory, outputLimitBytes: 64 << 20, deadline: .seconds(200))
    }
}

/// A repository of our own making in a directory of its own.
struct RepositoryFixture {
    let place: TemporaryDirectory
    let repository: OpenRepository
    var path: String { place.path + "/repository" }
    var restic: ResticJudge { ResticJudge(path: path) }

    static let origin = KeyFile.Origin(
        created: NodeTime(seconds: 1_700_000_000), username: "berth", hostname: "berth.test")
    static var password: SecretBytes { SecretBytes(Array(ResticJudge.password.utf8)) }
    /// Cheap, so that tests do not spend their time on scrypt.
    static var cost: KeyFile.Cost {
        get throws { try KeyFile.Cost(n: 1024, r: 8, p: 1) }
    }

    init() async throws {
        place = try TemporaryDirectory()
        let store = try DirectoryStore(root: place.path + "/repository", create: true)
        repository = try await OpenRepository.create(
            in: store, password: Self.password, origin: Self.origin, cost: Self.cost)
    }

    /// Writes a tiny backup by hand: two files, one of which zstd cannot shrink.
    func writeBackup() async throws -> (packs: [PackDescription], snapshot: BlobID) {
        try await Self.writeBackup(to: repository)
    }

    static func writeBackup(
        to repository: OpenRepository
    ) async throws -> (packs: [PackDescription], snapshot: BlobID) {
        let writer = PackWriter(store: repository.store, codec: repository.codec)
        let noise = try writer.prepare(randomBytes(700_000), kind: .data)
        let text = try writer.prepare(
            Array("hello\n".utf8) + .init(repeating: 65, count: 5000), kind: .data)
        try await writer.add(noise)
        try await writer.add(text)
        let time = "2026-01-02T03:04:05.000000006Z"
        let times = #""mtime":"\#(time)","atime":"\#(time)","ctime":"\#(time)","uid":0,"gid":0"#
        let tree = """
            {"nodes":[{"name":"noise","type":"file","mode":420,\(times),"size":700000,"links":1,\
            "content":["\(noise.id.hex)"]},{"name":"text","type":"file","mode":384,\(times),\
            "size":5006,"links":1,"content":["\(text.id.hex)"]}]}

            """
        let root = try writer.prepare(Array(tree.utf8), kind: .tree)
        try await writer.add(root)
        let packs = try await writer.finish()
        _ = try await repository.writeIndex(packs)
        var file = SnapshotFile(
            time: NodeTime(seconds: 1_767_323_045, nanoseconds: 6), tree: root.id, paths: ["/"],
            hostname: "project-1")
        file.tags = ["berth:1"]
        file.programVersion = "berth 0.1"
        return (packs, try await repository.writeSnapshot(file))
    }
}
