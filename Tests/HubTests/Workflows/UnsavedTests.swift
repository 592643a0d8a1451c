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
}
