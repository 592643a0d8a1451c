import Glibc
import ObjectStore
import Platform
import Testing

@testable import Repository

/// Stock restic reads what we write, and we read what it writes.
@Suite(.timeLimit(.minutes(5)))
struct InteropTests {
    @Test("A repository that we create opens with stock restic")
    func createdRepositoryOpens() async throws {
        let fixture = try await RepositoryFixture()
        let config = try await fixture.restic.run("cat", "config")
        #expect(config.isSuccess, "\(config.errorText)")
        let id = try #require(fixture.repository.config.id)
        #expect(config.text.contains(id.hex))
        #expect(config.text.contains(fixture.repository.config.polynomial.description))
        let snapshots = try await fixture.restic.run("snapshots")
        #expect(snapshots.isSuccess, "\(snapshots.errorText)")
        let check = try await fixture.restic.run("check", "--read-data")
        #expect(check.isSuccess, "\(check.errorText)")
    }

    @Test("A backup assembled by hand passes restic check --read-data and is restored whole")
    func handMadeBackup() async throws {
        let fixture = try await RepositoryFixture()
        let (packs, snapshot) = try await fixture.writeBackup()
        #expect(packs.count == 2)
        let check = try await fixture.restic.run("check", "--read-data")
        #expect(check.isSuccess, "\(check.text)\(check.errorText)")
        let target = fixture.place.path + "/restored"
        let restore = try await fixture.restic.run(
            "restore", snapshot.hex, "--target", target)
        #expect(restore.isSuccess, "\(restore.errorText)")
        let text = try DurableFile.read(target + "/text")
        #expect(text == Array("hello\n".utf8) + .init(repeating: 65, count: 5000))
        #expect(try DurableFile.read(target + "/noise").count == 700_000)
        // Incompressible data is stored as it is; trees are always compressed.
        let blobs = packs.flatMap(\.blobs)
        #expect(blobs.filter { $0.uncompressedLength == nil }.map(\.plaintextBytes) == [700_000])
        // And restic's own upkeep works on it.
        let prune = try await fixture.restic.run("prune")
        #expect(prune.isSuccess, "\(prune.errorText)")
        let report = try await fixture.repository.check(readData: true)
        #expect(report.isSound, "\(report.failures)")
    }

    @Test("A second password opens the repository for us and for restic; a wrong one is named so")
    func passwords() async throws {
        let fixture = try await RepositoryFixture()
        let added = try await fixture.restic.run("key", "list")
        #expect(added.text.contains("berth.test"))
        let store = fixture.repository.store
        let again = try await OpenRepository.open(store, password: RepositoryFixture.password)
        #expect(again.key.matches(fixture.repository.key))
        #expect(again.config == fixture.repository.config)
        _ = try await fixture.repository.addKey(
            password: SecretBytes([112, 119]), origin: RepositoryFixture.origin,
            cost: RepositoryFixture.cost)
        let second = try await OpenRepository.open(store, password: SecretBytes([112, 119]))
        #expect(second.key.matches(fixture.repository.key))
        let error = await #expect(throws: RepositoryError.self) {
            try await OpenRepository.open(store, password: SecretBytes([1]))
        }
        #expect(error?.code == .wrongKey)
        let taken = await #expect(throws: RepositoryError.self) {
            try await OpenRepository.create(
                in: store, password: RepositoryFixture.password, origin: RepositoryFixture.origin)
        }
        #expect(taken?.code == .alreadyExists)
    }

    @Test("A repository of restic's verifies wholly, and our chunker cuts as restic's did")
    func resticsRepository() async throws {
        let place = try TemporaryDirectory()
        let source = place.path + "/source"
        try systemCall("mkdir") { unsafe mkdir(source, 0o755) }
        try systemCall("mkdir") { unsafe mkdir(source + "/below", 0o755) }
        // Noise, and runs of zeros in between, so that both kinds of boundary occur.
        var big = try randomBytes(14 << 20)
        big += [UInt8](repeating: 0, count: 3 << 20)
        big += try randomBytes(13 << 20)
        try DurableFile.write(big, to: source + "/big")
        for index in 0..<40 {
            try DurableFile.write(
                Array("file \(index)\n".utf8), to: source + "/below/file-\(index)")
        }
        let restic = ResticJudge(path: place.path + "/repository")
        let initialized = try await restic.run("init")
        #expect(initialized.isSuccess, "\(initialized.errorText)")
        let backup = try await restic.run("backup", ".", directory: source)
        #expect(backup.isSuccess, "\(backup.errorText)")

        let store = try DirectoryStore(root: restic.path)
        let repository = try await OpenRepository.open(
            store, password: RepositoryFixture.password)
        let report = try await repository.check(readData: true)
        #expect(report.isSound, "\(report.failures)")
        #expect(report.orphans.isEmpty)
        #expect(report.snapshots == 1)

        let source2 = try await repository.blobSource()
        let snapshot = try #require(try await repository.snapshots().first)
        #expect(snapshot.file.paths == [source])
        let walker = TreeWalker(rootTree: snapshot.file.tree, source: source2)
        let node = try #require(
            try await walker.entries(of: snapshot.file.tree).first { $0.name == Array("big".utf8) })
        var chunker = Chunker(polynomial: repository.config.polynomial)
        var ids: [BlobID] = []
        var start = 0
        while start < big.count {
            let end = chunker.nextBoundary(in: big, from: start) ?? big.count
            ids.append(BlobID(hashing: Array(big[start..<end])))
            start = end
        }
        #expect(ids == node.content)
        #expect(ids.count > 8)
        var read: [UInt8] = []
        for id in node.content { read += try await source2.load(id, kind: .data) }
        #expect(read == big)
    }

    @Test("Our lock keeps stock prune away, and restic's exclusive lock keeps us away")
    func locks() async throws {
        let fixture = try await RepositoryFixture()
        _ = try await fixture.writeBackup()
        let claim = LockFile(
            time: .now(), exclusive: false, hostname: "berth-hub.invalid", username: "berth",
            pid: 1)
        let lock = try await RepositoryLock.acquire(in: fixture.repository, as: claim)
        let refused = try await fixture.restic.run("prune")
        #expect(!refused.isSuccess)
        #expect(refused.errorText.contains("berth-hub.invalid"))
        #expect(try await fixture.restic.run("snapshots").isSuccess)
        try await lock.refresh(at: .now())
        #expect(try await RepositoryLock.all(in: fixture.repository).count == 1)
        var exclusive = claim
        exclusive.exclusive = true
        let error = await #expect(throws: RepositoryError.self) {
            try await RepositoryLock.acquire(in: fixture.repository, as: exclusive)
        }
        #expect(error?.code == .locked)
        try await lock.release()
        #expect(try await fixture.restic.run("prune").isSuccess)
        #expect(try await RepositoryLock.all(in: fixture.repository).isEmpty)
    }
}
