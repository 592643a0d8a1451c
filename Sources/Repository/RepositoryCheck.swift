public import ObjectStore

/// What a check of a whole repository found.
public struct CheckReport: Sendable {
    /// So many failures are kept; `failureCount` counts all.
    public static let failureLimit = 1_000

    /// What is wrong, each naming its object; empty: the repository is sound.
    public private(set) var failures: [RepositoryError] = []
    /// How many things are wrong.
    public private(set) var failureCount = 0
    /// Packs that no index file lists: leftovers of an interrupted backup, harmless.
    public internal(set) var orphans: [ObjectName] = []
    /// Packs in the index.
    public internal(set) var packs = 0
    /// Different blobs in the index.
    public internal(set) var blobs = 0
    /// Snapshot files.
    public internal(set) var snapshots = 0
    /// Whether nothing is wrong.
    public var isSound: Bool { failureCount == 0 }

    mutating func add(_ failure: RepositoryError) {
        failureCount += 1
        if failures.count < Self.failureLimit { failures.append(failure) }
    }
}

extension OpenRepository {
    /// Checks a repository: `config` and every key, index and snapshot file is what its name says, every indexed pack
    /// is there with its length, every tree and every file's content that a snapshot reaches is in
    /// the index; with `readData` every pack is read and every blob verified.
    ///
    /// - Throws: `RepositoryError` with code `store` when the store fails; what is wrong with the
    ///   repository is in the report instead.
    public func check(readData: Bool) async throws -> CheckReport {
        var report = CheckReport()
        try await checkConfigAndKeys(into: &report)
        // Snapshots before index: a backup committed in between is then wholly in the index.
        let snapshots = try await collect(.snapshots, into: &report) { try await snapshot($0) }
        report.snapshots = snapshots.count
        let files = try await collect(.index, into: &report) { try await indexFile($0) }
        var index = RepositoryIndex()
        var indexed: [BlobID: [PackedBlob]] = [:]
        for pack in files.flatMap(\.packs) {
            index.insert(pack)
            indexed[pack.id] = pack.blobs
        }
        report.packs = index.packs.count
        report.blobs = index.blobCount
        let present = try await comparePacks(with: index, into: &report)
        if readData {
            let packs = index.packs.map(\.id).filter(present.contains)
            let expected = indexed
            let failures = try await concurrentMap(packs, width: 2) { pack in
                try await failure { try await verifyPack(pack, expected: expected[pack]) }
            }
            failures.compactMap { $0 }.forEach { report.add($0) }
        }
        try await checkTrees(of: snapshots, index: index, into: &report)
        return report
    }

    /// Checks that `config` opens with the key and that key files are what their names say; a key
    /// file's contents are only known to who has its password.
    private func checkConfigAndKeys(into report: inout CheckReport) async throws {
        let config = try await failure {
            let name = try ObjectName.config()
            let sealed = try await reading(name) {
                try await store.get(name, limitBytes: RepositoryConfig.limitBytes)
            }
            let found = try RepositoryConfig.open(sealed, with: codec.sealer)
            guard found.polynomial == self.config.polynomial else {
                throw RepositoryError.corrupt("config", "it is another repository's")
            }
        }
        if let config { report.add(config) }
        for id in try await ids(of: .keys) {
            let altered = try await failure {
                let name = try ObjectName.file(.keys, id)
                let bytes = try await reading(name) {
                    try await store.get(name, limitBytes: KeyFile.limitBytes)
                }
                guard try codec.id(of: bytes) == id else {
                    throw RepositoryError.corrupt(name.text, "its SHA-256 is not its name")
                }
            }
            if let altered { report.add(altered) }
        }
    }

    /// Reads all files of a kind; those that are damaged go into the report.
    private func collect<File: Sendable>(
        _ kind: FileKind, into report: inout CheckReport,
        _ read: @escaping @Sendable (BlobID) async throws -> File
    ) async throws -> [File] {
        let results = try await concurrentMap(try await ids(of: kind), width: Self.readWidth) {
            id -> Result<File, RepositoryError> in
            do {
                return .success(try await read(id))
            } catch let error as RepositoryError where error.code != .store {
                return .failure(error)
            }
        }
        return results.compactMap { result in
            switch result {
            case .success(let file): return file
            case .failure(let error):
                report.add(error)
                return nil
            }
        }
    }

    /// Compares the packs in the store with the index; answers those that are as long as they
    /// should be.
    private func comparePacks(
        with index: RepositoryIndex, into report: inout CheckReport
    ) async throws -> Set<BlobID> {
        let listing = try await storing("list the packs") {
            try await store.list(try ObjectPrefix("data/"))
        }
        var lengths: [BlobID: Int64] = [:]
        for entry in listing {
            guard let id = entry.name.id, try ObjectName.pack(id) == entry.name else { continue }
            lengths[id] = entry.bytes
            if index.pack(id) == nil { report.orphans.append(entry.name) }
        }
        var present: Set<BlobID> = []
        for pack in index.packs {
            let name = try ObjectName.pack(pack.id)
            switch lengths[pack.id] {
            case pack.bytes: present.insert(pack.id)
            case let bytes?:
                report.add(
                    .corrupt(name.text, "\(bytes) bytes instead of \(pack.bytes)"))
            case nil:
                report.add(
                    RepositoryError(
                        code: .missing(object: name.text), message: "\(name) is missing"))
            }
        }
        return present
    }

    /// Walks every tree that is reached, once.
    private func checkTrees(
        of snapshots: [SnapshotFile], index: RepositoryIndex, into report: inout CheckReport
    ) async throws {
        let source = blobSource(index: index)
        var seen = Set(snapshots.map(\.tree))
        var pending = Array(seen)
        while let tree = pending.popLast() {
            let nodes: [Node]
            do {
                nodes = try await TreeWalker(rootTree: tree, source: source).entries(of: tree)
            } catch let error as RepositoryError where error.code != .store {
                report.add(error)
                continue
            }
            for node in nodes {
                if let subtree = node.subtree, seen.insert(subtree).inserted {
                    pending.append(subtree)
                }
                for id in node.content where !index.contains(id, kind: .data) {
                    report.add(
                        RepositoryError(
                            code: .missing(object: "blob \(id)"),
                            message: "data blob \(id) of '\(node.displayName)' in tree \(tree) "
                                + "is in no pack of the index"))
                }
            }
        }
    }

    private func failure(_ body: () async throws -> Void) async throws -> RepositoryError? {
        do {
            try await body()
            return nil
        } catch let error as RepositoryError where error.code != .store {
            return error
        }
    }
}
