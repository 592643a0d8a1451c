import ObjectStore
import Platform
import Testing

@testable import Repository

/// Whatever the last durable step was, the repository is sound and what was acknowledged is there.
@Suite(.timeLimit(.minutes(5)))
struct CrashTests {
    @Test(
        "After a crash behind every single write of a backup the repository is sound, for restic too"
    )
    func everyStep() async throws {
        var step = 0
        var isDone = false
        while !isDone {
            let fixture = try await RepositoryFixture()
            _ = try await fixture.writeBackup()
            let before = try await fixture.repository.snapshots().map(\.id)
            let mortal = MortalStore(fixture.repository.store, steps: step)
            let dying = try await OpenRepository.open(mortal, key: fixture.repository.key)
            do {
                _ = try await RepositoryFixture.writeBackup(to: dying)
                isDone = true
            } catch is RepositoryError {
                isDone = false
            }
            let after = try await fixture.repository.snapshots().map(\.id)
            #expect(after.count == (isDone ? 2 : 1))
            #expect(Set(after).isSuperset(of: before))
            let report = try await fixture.repository.check(readData: true)
            #expect(report.isSound, "after \(step) steps: \(report.failures)")
            let check = try await fixture.restic.run("check", "--read-data", "--no-lock")
            #expect(check.isSuccess, "after \(step) steps: \(check.errorText)")
            // And the next run simply works.
            _ = try await fixture.writeBackup()
            #expect(try await fixture.repository.check(readData: true).isSound)
            step += 1
        }
        // Two packs, an index file, a snapshot file; and one attempt that none of them hindered.
        #expect(step == 5)
    }

    @Test("A repository whose creation was cut short is no repository, and can be created again")
    func creation() async throws {
        for steps in 0...1 {
            let place = try TemporaryDirectory()
            let store = try DirectoryStore(root: place.path)
            await #expect(throws: RepositoryError.self) {
                try await OpenRepository.create(
                    in: MortalStore(store, steps: steps), password: RepositoryFixture.password,
                    origin: RepositoryFixture.origin, cost: RepositoryFixture.cost)
            }
            let error = await #expect(throws: RepositoryError.self) {
                try await OpenRepository.open(store, password: RepositoryFixture.password)
            }
            if case .missing = error?.code {} else { Issue.record("\(error as Any)") }
            let made = try await OpenRepository.create(
                in: store, password: SecretBytes([1]), origin: RepositoryFixture.origin,
                cost: RepositoryFixture.cost)
            let opened = try await OpenRepository.open(store, password: SecretBytes([1]))
            #expect(opened.key.matches(made.key))
        }
    }
}

/// A real store whose user dies: after so many writes nothing more reaches it.
private struct MortalStore: ObjectStorage {
    private let store: any ObjectStorage
    private let left: Locked<Int>

    init(_ store: any ObjectStorage, steps: Int) {
        self.store = store
        left = Locked(steps)
    }

    func put(_ name: ObjectName, _ body: ObjectBody) async throws -> Bool {
        try die()
        return try await store.put(name, body)
    }

    func get(_ name: ObjectName, range: Range<Int64>?, limitBytes: Int) async throws -> [UInt8] {
        try await store.get(name, range: range, limitBytes: limitBytes)
    }

    func stream(
        _ name: ObjectName, range: Range<Int64>?,
        receive: @Sendable ([UInt8]) async throws -> Void
    ) async throws {
        try await store.stream(name, range: range, receive: receive)
    }

    func size(of name: ObjectName) async throws -> Int64 { try await store.size(of: name) }

    func list(_ prefix: ObjectPrefix) async throws -> [ObjectEntry] {
        try await store.list(prefix)
    }

    func delete(_ name: ObjectName) async throws {
        try die()
        try await store.delete(name)
    }

    private func die() throws {
        let isAlive = left.withLock { left -> Bool in
            left -= 1
            return left >= 0
        }
        if !isAlive { throw ObjectStoreError(code: .unavailable, message: "dead") }
    }
}
