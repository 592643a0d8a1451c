import ObjectStore
import Platform

extension OpenRepository {
    /// How many packs are read and verified at once: while some wait for the store, others keep
    /// the processors busy.
    private static let verifyWidth = 4

    /// Checks a repository.
    ///
    /// `config` and every key, lock, index and snapshot file is what its name says; every indexed
    /// pack is there with its length; every tree and every file's content that a snapshot reaches
    /// is in the index, and the lengths of a file's blobs add up to its size. Packs that are read
    /// have the SHA-256 that is their name, the header that the index tells, and every blob in them
    /// opens and is what its name says.
    ///
    /// What changes meanwhile is no damage: where something is missing and the index has changed,
    /// it is looked at again.
    ///
    /// - Parameters:
    ///   - reading: which packs are read.
    ///   - expected: snapshot files that must be there: nothing in a repository tells that one is
    ///     missing.
    ///   - progress: told after each pack: bytes read, of how many.
    /// - Throws: `RepositoryError` with code `store` when the store fails; what is wrong with the
    ///   repository is in the report instead.
    @concurrent public func check(
        _ reading: CheckReading, expected: Set<BlobID> = [],
        progress: @escaping @Sendable (Int64, Int64) -> Void = { _, _ in }
    ) async throws -> CheckReport {
        var report = CheckReport()
        for attempt in 0..<3 {
            let before = try await ids(of: .index)
            report = try await checkOnce(reading, expected: expected, progress: progress)
            let isMissing = report.failures.contains {
                if case .missing = $0.code { true } else { false }
            }
            guard isMissing, attempt < 2, try await ids(of: .index) != before else { break }
        }
        return report
    }

    /// Checks a repository and reads everything, or nothing, of its packs.
    public func check(readData: Bool) async throws -> CheckReport {
        try await check(readData ? .all : .structure)
    }

    private func checkOnce(
        _ reading: CheckReading, expected: Set<BlobID>,
        progress: @escaping @Sendable (Int64, Int64) -> Void
    ) async throws -> CheckReport {
        var report = CheckReport()
        try await checkConfigAndKeys(into: &report)
        _ = try await collect(.locks, into: &report) { id in
            let json = try await read(.locks, id)
            return try JSONFile.decode(LockFile.self, from: json, object: "locks/\(id)")
        }
        // Snapshots before index: a backup committed in between is then wholly in the index.
        let snapshots = try await collect(.snapshots, into: &report) { try await snapshot($0) }
        report.snapshots = snapshots.count
        for id in try await missing(expected) {
            let name = try ObjectName.file(.snapshots, id).text
            report.add(
                RepositoryError(
                    code: .missing(object: name),
                    message: "\(name) is missing: a backup that was acknowledged"))
        }
        let index = try await checkPacks(reading, into: &report, progress: progress)
        try await checkTrees(of: snapshots, index: index, into: &report)
        return report
    }

    /// Reads packs and checks nothing else: a further piece of a check.
    ///
    /// - Throws: as `check`.
    @concurrent public func checkPacks(
        _ reading: CheckReading,
        progress: @escaping @Sendable (Int64, Int64) -> Void = { _, _ in }
    ) async throws -> CheckReport {
        var report = CheckReport()
        _ = try await checkPacks(reading, into: &report, progress: progress)
        return report
    }

    private func checkPacks(
        _ reading: CheckReading, into report: inout CheckReport,
        progress: @escaping @Sendable (Int64, Int64) -> Void
    ) async throws -> RepositoryIndex {
        let files = try await collect(.index, into: &report) { try await indexFile($0) }
        var index = RepositoryIndex()
        var indexed: [BlobID: [PackedBlob]] = [:]
        for pack in files.flatMap(\.packs) {
            index.insert(pack)
            indexed[pack.id] = pack.blobs
        }
        report.packs = index.packs.count
        report.bytes = index.packs.reduce(0) { $0 + $1.bytes }
        report.blobs = index.blobCount
        let present = try await comparePacks(with: index, into: &report)
        var random = Random()
        let chosen = reading.choose(
            from: index.packs.filter { present.contains($0.id) }, using: &random)
        report.packsLeft = chosen.left
        try await readPacks(chosen.packs, indexed: indexed, into: &report, progress: progress)
        return index
    }

    /// Reads packs, several at once, and notes which of them are sound.
    private func readPacks(
        _ packs: [RepositoryIndex.Pack], indexed: [BlobID: [PackedBlob]],
        into report: inout CheckReport, progress: @escaping @Sendable (Int64, Int64) -> Void
    ) async throws {
        let total = packs.reduce(0) { $0 + $1.bytes }
        let done = Locked(Int64(0))
        let failures = try await concurrentMap(packs, width: Self.verifyWidth) { pack in
            let failure = try await failure {
                try await verifyPack(pack.id, expected: indexed[pack.id])
            }
            let read = done.withLock { done in
                done += pack.bytes
                return done
            }
            progress(read, total)
            return (pack: pack, failure: failure)
        }
        for (pack, failure) in failures {
            if let failure {
                report.add(failure)
                report.damagedPacks.append(pack.id)
            } else {
                report.packsRead.append(pack.id)
                report.bytesRead += pack.bytes
            }
        }
    }

    /// The snapshot files that should be there and are not.
    private func missing(_ expected: Set<BlobID>) async throws -> [BlobID] {
        guard !expected.isEmpty else { return [] }
        return expected.subtracting(try await ids(of: .snapshots)).sorted()
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
            guard found.polynomial == self.config.polynomial,
                self.config.id == nil || found.id == self.config.id
            else {
                throw RepositoryError.corrupt("config", "it is another repository's")
            }
        }
        if let config { report.add(config) }
        let keys = try await ids(of: .keys)
        if keys.isEmpty {
            report.add(
                RepositoryError(
                    code: .missing(object: "keys/"),
                    message: "keys/ holds no key file: stock restic cannot open the repository"))
        }
        for id in keys {
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

    /// Reads all files of a kind; those that are damaged go into the report, those that vanish
    /// meanwhile were removed by somebody.
    private func collect<File: Sendable>(
        _ kind: FileKind, into report: inout CheckReport,
        _ read: @escaping @Sendable (BlobID) async throws -> File
    ) async throws -> [File] {
        let ids = try await ids(of: kind)
        let results = try await concurrentMap(ids, width: Self.readWidth) {
            id -> Result<File, RepositoryError> in
            do {
                return .success(try await read(id))
            } catch let error as RepositoryError where error.code != .store {
                return .failure(error)
            }
        }
        let isWhole = !results.contains { if case .failure = $0 { true } else { false } }
        let still = isWhole ? [] : Set(try await self.ids(of: kind))
        return zip(ids, results).compactMap { id, result in
            switch result {
            case .success(let file): return file
            case .failure(let error):
                if still.contains(id) { report.add(error) }
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
                // It is not read, and what is whole of it can be saved.
                report.damagedPacks.append(pack.id)
            case nil:
                report.add(
                    RepositoryError(
                        code: .missing(object: name.text), message: "\(name) is missing"))
            }
        }
        return present
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
