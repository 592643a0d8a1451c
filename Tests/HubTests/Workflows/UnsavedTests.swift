import Shared
import Testing

@testable import Hub

@Suite("What a host said by itself is not the last word")
struct UnsavedTests {
    private static let other = BackupReference(
        id: WorkflowWorld.identifier(11), project: WorkflowWorld.identifier(3),
        snapshot: String(repeating: "c", count: 64), rootTree: String(repeating: "d", count: 64),
        takenAt: Timestamp(milliseconds: 0))

    private static func children(_ actions: [WorkflowAction]) -> [ChildOrder] {
        actions.compactMap { action in
            if case .runChild(let order) = action { order } else { nil }
        }
    }

    /// What the stop has found to hold everything.
    enum Found: CaseIterable {
        case nothing
        case base
        case damagedBase
        case anotherThanTheBase
    }

    @Test(
        "a restore saves what is there, unless the stop has found it saved",
        arguments: Found.allCases)
    func restore(_ found: Found) throws {
        var world = WorkflowWorld(true, isOnline: true)
        world.project.freshness = .fresh
        world.project.volumeBase = world.backup
        if found == .damagedBase { world.project.distrusted = [world.backup.id] }
        let covering: BackupID? =
            switch found {
            case .nothing: nil
            case .base, .damagedBase: world.backup.id
            case .anotherThanTheBase: Self.other.id
            }
        var workflow = try Workflow(.restore, input: try world.order(.restore))
        #expect(
            Self.children(workflow.handle(.began, world.emptyFacts())).map(\.key) == ["stop"])
        let result = try JSON.value(RuntimeStopResult(coveringBackup: covering))
        _ = workflow.handle(.childEnded("stop", .succeeded(result)), world.emptyFacts())
        let next = Self.children(workflow.handle(.woken, world.emptyFacts())).map(\.key)
        #expect(next == [found == .base ? "restore" : "safety"])
    }

    @Test("a copy backs up a source whose host is there, on what is trusted")
    func copy() throws {
        var world = WorkflowWorld(true, isOnline: true)
        world.project.freshness = .fresh
        world.project.volumeBase = Self.other
        world.project.distrusted = [world.backup.id]
        var workflow = try Workflow(.copy, input: try world.order(.copy))
        let work = Self.children(workflow.handle(.began, world.emptyFacts())).first?.work
        guard case .backup(let input) = work else {
            Issue.record("no backup but \(String(describing: work))")
            return
        }
        #expect(input.base == Self.other)
    }

    @Test(
        "a copy takes the newest backup where its source is offline and was fresh, or has no volume",
        arguments: [true, false])
    func offline(isProvisioned: Bool) throws {
        var world = WorkflowWorld(isProvisioned, isOnline: !isProvisioned)
        world.project.freshness = .fresh
        world.project.newestBackup = world.backup
        var workflow = try Workflow(.copy, input: try world.order(.copy))
        let actions = workflow.handle(.began, world.emptyFacts())
        #expect(Self.children(actions).isEmpty)
        #expect(workflow.phase == CopyWorkflow.Phase.check.rawValue)
    }

    @Test("a copy takes the newest backup where it was unknown whether there is a volume")
    func unknown() throws {
        var world = WorkflowWorld(nil, isOnline: true)
        var workflow = try Workflow(.copy, input: try world.order(.copy))
        #expect(
            Self.children(workflow.handle(.began, world.emptyFacts())).map(\.key) == ["backup"])
        let missing = Failure(code: "volume-missing", message: "there is none")
        _ = workflow.handle(.childEnded("backup", .failed(missing)), world.emptyFacts())
        #expect(workflow.phase == CopyWorkflow.Phase.check.rawValue)
    }
}
