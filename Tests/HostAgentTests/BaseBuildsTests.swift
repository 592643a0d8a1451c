import Platform
import Shared
import Testing

@testable import HostAgent

@Suite("What is still to be kept of bases", .timeLimit(.minutes(1)))
struct BaseBuildsTests {
    private let builds = BaseBuilds()
    private let made = Locked<[String]>([])

    private func build(_ name: String) -> @Sendable () async -> Void {
        { [made] in made.withLock { $0.append(name) } }
    }

    @Test("Whoever needs one first has it made")
    func settled() async {
        let (project, other) = (ProjectID.make(), ProjectID.make())
        await builds.add(project, build("one"))
        await builds.add(other, build("other"))
        await builds.settle(project)
        #expect(made.withLock { $0 } == ["one"])
        await builds.settle(project)
        await builds.settle(.make())
        #expect(made.withLock { $0 } == ["one"])
    }

    @Test("What has not begun is forgotten, and replaced by what comes later")
    func forgotten() async {
        let project = ProjectID.make()
        await builds.add(project, build("one"))
        await builds.add(project, build("two"))
        await builds.settle(project)
        await builds.add(project, build("three"))
        await builds.drop(project)
        await builds.settle(project)
        #expect(made.withLock { $0 } == ["two"])
    }

    @Test("The service makes everything; who comes while one is being made waits for its end")
    func served() async {
        let project = ProjectID.make()
        let (began, beginning) = AsyncStream<Void>.makeStream()
        let (release, releasing) = AsyncStream<Void>.makeStream()
        await withTaskGroup(of: Void.self) { group in
            // It ends with its cancellation.
            group.addTask { try? await builds.run() }
            await builds.add(project) { [made] in
                beginning.yield()
                for await _ in release { break }
                made.withLock { $0.append("one") }
            }
            for await _ in began { break }
            async let settled: Void = builds.settle(project)
            #expect(made.withLock { $0.isEmpty })
            releasing.yield()
            await settled
            #expect(made.withLock { $0 } == ["one"])
            group.cancelAll()
        }
    }
}
