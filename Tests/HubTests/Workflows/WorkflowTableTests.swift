import Shared
import Testing

@testable import Hub

@Suite("A workflow as a pure value")
struct WorkflowTableTests {
    /// What happens to the child of one step.
    enum Disturbance: String, Sendable, CaseIterable {
        case nothing
        case fails
        case isCanceled
        case cancelBefore
        case everythingTwice
    }

    struct Case: Sendable, CustomTestStringConvertible {
        var kind: OperationKind
        var disturbance: Disturbance
        var step: Int
        var isProvisioned: Bool?
        var isOnline: Bool
        var testDescription: String {
            "\(kind.rawValue) \(disturbance.rawValue) at \(step), "
                + "provisioned \(isProvisioned.map { "\($0)" } ?? "unknown"), online \(isOnline)"
        }
    }

    static let cases: [Case] = {
        let kinds: [OperationKind] = [
            .start, .stop, .backup, .restore, .move, .copy, .delete, .importTree, .execute,
        ]
        var cases: [Case] = []
        for kind in kinds {
            for disturbance in Disturbance.allCases {
                for step in 1...(disturbance == .nothing ? 1 : 8) {
                    for isProvisioned in [true, false, nil] as [Bool?] {
                        for isOnline in [true, false] {
                            cases.append(
                                Case(
                                    kind: kind, disturbance: disturbance, step: step,
                                    isProvisioned: isProvisioned, isOnline: isOnline))
                        }
                    }
                }
            }
        }
        return cases
    }()

    @Test("ends, and leaves source, target and copies as its end says", arguments: cases)
    func table(_ given: Case) throws {
        var world = WorkflowWorld(given.isProvisioned, isOnline: given.isOnline)
        let order = try world.order(given.kind)
        var workflow = try Workflow(given.kind, input: order)
        try world.drive(&workflow, given.disturbance, at: given.step)
        let end = try #require(world.end, "the workflow does not end: \(workflow.phase)")
        // What a host was told is told for the generation that it has.
        #expect(world.errors.isEmpty)
        switch end {
        case .failed, .canceled:
            // Nothing is lost before the commit point, and the project runs if it ran.
            if !workflow.isCommitted {
                #expect(world.project.host.id == world.source.id)
                #expect(world.project.generation == 1)
                if given.kind == .move || given.kind == .restore {
                    #expect(world.isFrozen == false || world.undoFailed)
                    #expect(world.isRunning == world.ran || world.undoFailed)
                    #expect(world.staged == false || world.undoFailed)
                }
            }
        case .succeeded:
            if given.kind == .move {
                #expect(world.project.host.id == world.target.id)
                #expect(world.project.generation == 2)
                #expect(world.volumes[world.source.id] == nil)
            }
            if given.kind == .start { #expect(world.volumes[world.source.id] == 1) }
            if given.kind == .stop { #expect(!world.project.isWantedRunning) }
            if given.kind == .delete { #expect(world.project.isDeleted) }
        }
        #expect(world.copies.allSatisfy { $0.state != .applying })
    }

    @Test(
        "is the same after it was stored and read, at every step",
        arguments: [
            OperationKind.move, .restore, .copy, .start,
        ])
    func stored(_ kind: OperationKind) throws {
        var world = WorkflowWorld(true, isOnline: true)
        var workflow = try Workflow(kind, input: try world.order(kind))
        world.storesEachStep = true
        try world.drive(&workflow, .nothing, at: 1)
        #expect(world.end == .succeeded)
    }

    @Test(
        "never takes a receipt for another than was ordered",
        arguments: [
            "backup", "host", "generation", "rootTree",
        ])
    func receipts(_ wrong: String) throws {
        let world = WorkflowWorld(true, isOnline: true)
        let backup = world.backup
        var receipt = RestoreReceipt(
            backup: backup.id, host: world.source.id, generation: 3, rootTree: backup.rootTree,
            files: 1, bytes: 1)
        func failure() throws -> Failure? {
            ReceiptCheck.failure(
                .succeeded(try JSON.value(receipt)), backup: backup, host: world.source.id,
                generation: 3)
        }
        #expect(try failure() == nil)
        switch wrong {
        case "backup": receipt.backup = WorkflowWorld.identifier(99)
        case "host": receipt.host = world.target.id
        case "generation": receipt.generation = 2
        default: receipt.rootTree = String(repeating: "0", count: 64)
        }
        #expect(try failure()?.code == "receipt-mismatch")
    }
}
