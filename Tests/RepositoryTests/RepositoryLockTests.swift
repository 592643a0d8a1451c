import ObjectStore
import Platform
import Testing

@testable import Repository

@Suite("The lock on a repository")
struct RepositoryLockTests {
    private static func claim(_ username: String) -> LockFile {
        LockFile(
            time: .now(), exclusive: false, hostname: "hub.invalid", username: username, pid: 1)
    }

    @Test("One whose storing was not acknowledged is removed, and no try leaves another")
    func unacknowledged() async throws {
        let fixture = try await RepositoryFixture()
        let other = try await RepositoryLock.acquire(
            in: fixture.repository, as: Self.claim("other"), settling: .zero)
        for deletes in [true, false] {
            let repository = OpenRepository(
                store: ForgetfulStore(store: fixture.repository.store, deletes: deletes),
                key: fixture.repository.key, polynomial: fixture.repository.config.polynomial)
            let error = await #expect(throws: RepositoryError.self) {
                try await RepositoryLock.acquire(
                    in: repository, as: Self.claim("hub"), settling: .zero)
            }
            #expect(error?.code == .store)
            let left = try await RepositoryLock.all(in: fixture.repository)
            #expect(left.count == (deletes ? 1 : 2))
        }
        let lock = try await RepositoryLock.acquire(
            in: fixture.repository, as: Self.claim("hub"), settling: .zero)
        let holders = try await RepositoryLock.all(in: fixture.repository).values.map(\.username)
        #expect(holders.sorted() == ["hub", "other"])
        try await lock.release()
        try await other.release()
        #expect(try await RepositoryLock.all(in: fixture.repository).isEmpty)
    }
}

/// A real store whose answers to whoever writes are lost; and perhaps it deletes nothing then.
private struct ForgetfulStore: PassingStore {
    let store: any ObjectStorage
    let deletes: Bool

    private static let lost = ObjectStoreError(code: .unavailable, message: "no answer")

    func put(_ name: ObjectName, _ body: ObjectBody) async throws -> Bool {
        _ = try await store.put(name, body)
        throw Self.lost
    }

    func delete(_ name: ObjectName) async throws {
        guard deletes else { throw Self.lost }
        try await store.delete(name)
    }
}
