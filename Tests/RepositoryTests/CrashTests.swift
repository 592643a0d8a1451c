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
