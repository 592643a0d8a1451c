import Platform
import Shared
import Testing

@testable import HostAgent

@Suite("What is still to be kept of bases", .timeLimit(.minutes(1)))
struct BaseBuildsTests {
    private let builds = BaseBuilds()
    private let made = Locked<[String]>([])

    private func build(_ name: String) -> @Sendable @concurrent () async -> Void {
        { [made] in made.withLock { $0.append(name) } }
    }

    /// Runs `body` beside the service.
    private func served(_ body: () async throws -> Void) async rethrows {
        try await withThrowingTaskGroup(of: Void.self) { group in
            // It ends with its cancellation.
            group.addTask { try? await builds.run() }
            defer { group.cancelAll() }
            try await body()
        }
    }

    @Test("Everything is made, and whoever waits for one has it made first")
    func order() async {
        let projects = (0..<3).map { _ in ProjectID.make() }
        for (number, project) in projects.enumerated() {
            await builds.add(project, build("\(number)"))
        }
        await withTaskGroup(of: Bool.self) { group in
            // Canceled, it waits for nothing, and has been put first all the same.
            group.addTask { await builds.settle(projects[2]) }
            group.cancelAll()
            #expect(await group.next() == false)
        }
        await served {
            while made.withLock({ $0.count }) < projects.count { await Task.yield() }
        }
        #expect(made.withLock { $0 } == ["2", "0", "1"])
        #expect(await builds.settle(.make()))
    }

    @Test("What has not begun is forgotten, and replaced by what comes later")
    func forgotten() async {
        let project = ProjectID.make()
        await builds.add(project, build("one"))
        await builds.add(project, build("two"))
        await served { #expect(await builds.settle(project)) }
        await builds.add(project, build("three"))
        await builds.drop(project)
        await served { #expect(await builds.settle(project)) }
        #expect(made.withLock { $0 } == ["two"])
    }

    @Test("One that is being made is waited for; dropped it is ended, and the next one is made")
    func running() async {
        let (project, other) = (ProjectID.make(), ProjectID.make())
        let (began, beginning) = AsyncStream<Void>.makeStream()
        await served {
            await builds.add(project) { [made] in
                beginning.yield()
                // Ended by whoever drops it.
                try? await ContinuousClock().sleep(for: .seconds(600))
                made.withLock { $0.append(Task.isCancelled ? "ended" : "one") }
            }
            for await _ in began { break }
            await builds.add(other, build("other"))
            await withTaskGroup(of: Bool.self) { group in
                group.addTask { await builds.settle(project) }
                group.cancelAll()
                #expect(await group.next() == false)
            }
            #expect(made.withLock { $0.isEmpty })
            async let settled = builds.settle(project)
            await builds.drop(project)
            #expect(await settled)
            #expect(await builds.settle(other))
        }
        #expect(made.withLock { $0 } == ["ended", "other"])
    }

    @Test("Who adds more than may wait waits until one is made")
    func limit() async {
        let last = ProjectID.make()
        await served {
            for number in 0..<3 * BaseBuilds.limit {
                await builds.add(.make(), build("\(number)"))
            }
            await builds.add(last, build("last"))
            #expect(await builds.settle(last))
        }
        #expect(made.withLock { $0.count } >= 2 * BaseBuilds.limit)
    }
}
