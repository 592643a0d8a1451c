import Glibc
import ObjectStore
import Platform

@testable import Repository

/// A directory that changes by a seed, and a repository that its backups go into.
struct BackupHistory {
    let fixture: RepositoryFixture
    private let random: Locked<SeededRandom>
    var volume: String { fixture.place.path + "/volume" }
    var repository: OpenRepository { fixture.repository }

    /// A backup on its way: everything is uploaded, nothing is committed.
    struct InFlight {
        let root: BlobID
        let packs: [PackDescription]
    }

    init(seed: UInt64) async throws {
        fixture = try await RepositoryFixture()
        random = Locked(SeededRandom(state: seed | 1))
        try makeDirectory(volume)
        for number in 0..<4 { try makeDirectory("\(volume)/d\(number)") }
    }

    /// Writes, overwrites and removes some files.
    func change(files: Int = 6, bytes: Int = 60_000) throws {
        try random.withLock { random in
            for _ in 0..<files {
                let directory = Int.random(in: 0..<4, using: &random)
                let path = "\(volume)/d\(directory)/f\(Int.random(in: 0..<12, using: &random))"
                unsafe unlink(path)
                guard Int.random(in: 0..<5, using: &random) > 0 else { continue }
                let count = Int.random(in: 0...bytes, using: &random)
                let content = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
                try DurableFile.write(content, to: path)
            }
        }
    }

    /// Uploads what the base does not reach.
    func upload(
        base: BlobID?, to store: (any ObjectStorage)? = nil
    ) async throws -> InFlight {
        var known = ReachableBlobs()
        if let base {
            try await known.add(roots: [base], from: try await repository.blobSource())
        }
        let (trees, data) = (known.trees, known.data)
        let writer = PackWriter(store: store ?? repository.store, codec: repository.codec) {
            id, kind in kind == .tree ? trees.contains(id) : data.contains(id)
        }
        let summary = try await Backup(
            path: volume, sink: writer, polynomial: repository.config.polynomial
        ).run()
        return InFlight(root: summary.rootTree, packs: try await writer.finish())
    }

    /// Writes the snapshot file, with the hour as its time.
    func record(_ backup: InFlight, hour: Int64 = 0) async throws -> BlobID {
        try await repository.writeSnapshot(
            SnapshotFile(
                time: NodeTime(seconds: 1_700_000_000 + hour * 3600), tree: backup.root,
                paths: ["/project"], hostname: "test"))
    }

    /// Changes, uploads and commits.
    func backUp(base: BlobID? = nil, hour: Int64 = 0) async throws -> (id: BlobID, root: BlobID) {
        try change()
        let backup = try await upload(base: base)
        _ = try await repository.writeIndex(backup.packs)
        return (try await record(backup, hour: hour), backup.root)
    }

    /// Several backups, each on top of the one before.
    func backUp(count: Int) async throws -> [(id: BlobID, root: BlobID)] {
        var backups: [(id: BlobID, root: BlobID)] = []
        for hour in 0..<count {
            backups.append(try await backUp(base: backups.last?.root, hour: Int64(hour)))
        }
        return backups
    }

    /// Reads every blob of a backup, verified: with its root's id that is all of it.
    static func readAll(_ roots: [BlobID], in repository: OpenRepository) async throws {
        let source = try await repository.blobSource()
        var reachable = ReachableBlobs()
        try await reachable.add(roots: roots, from: source)
        for id in reachable.data { _ = try await source.load(id, kind: .data) }
    }

    /// The repository as it is now, in a directory of its own.
    func cloned() async throws -> RepositoryClone {
        try await RepositoryClone(of: fixture)
    }
}

/// A copy of a repository's directory.
struct RepositoryClone {
    let place: TemporaryDirectory
    let repository: OpenRepository
    var path: String { place.path + "/repository" }
    var restic: ResticJudge { ResticJudge(path: path) }

    init(of fixture: RepositoryFixture) async throws {
        place = try TemporaryDirectory()
        let copied = try await ChildProcess.run(
            "cp", ["-a", fixture.path, place.path + "/repository"], deadline: .seconds(60))
        guard copied.isSuccess else { throw CommandFailed("copy a repository", copied) }
        repository = try await OpenRepository.open(
            try DirectoryStore(root: place.path + "/repository"), key: fixture.repository.key)
    }
}

/// A generator whose numbers can be had again (xorshift64).
struct SeededRandom: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return state &* 0x2545_F491_4F6C_DD1D
    }
}
