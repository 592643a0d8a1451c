import Shared
import Testing

@testable import Hub

@Suite("A drain and a batch as pure values")
struct GroupTableTests {
    /// What happens to one project's operation.
    enum Disturbance: String, Sendable, CaseIterable {
        case nothing
        case failsOnce
        case failsAlways
        case isCanceled
        case wholeCanceled
        case isRefusedOnce
        case sourceGoesAway
        case comesBack
        case storesEachStep
    }

    struct Case: Sendable, CustomTestStringConvertible {
        var disturbance: Disturbance
        var item: Int
        var parallel: Int
        var testDescription: String { "\(disturbance.rawValue) of \(item), \(parallel) at once" }
    }

    static let cases: [Case] = Disturbance.allCases.flatMap { disturbance in
        (0..<5).flatMap { item in
            [1, 3, 64].map { Case(disturbance: disturbance, item: item, parallel: $0) }
        }
    }

    @Test("a drain ends, never exceeds its limit, and hides no other project", arguments: cases)
    func drain(_ given: Case) throws {
        var world = GroupWorld(projects: 5, parallel: given.parallel)
        var drain = DrainWorkflow(DrainOrder(maxParallel: given.parallel, tries: 3))
        try world.drive(&drain, given.disturbance, item: given.item)
        let end = try #require(world.end, "the drain does not end: \(drain.phaseName)")
        #expect(world.errors.isEmpty)
        switch given.disturbance {
        case .nothing, .failsOnce, .isRefusedOnce, .comesBack, .storesEachStep:
            #expect(end == .succeeded)
            #expect(world.placed.isEmpty)
            #expect(world.looks >= 1, "it must not end before the host has said what it has")
        case .failsAlways, .isCanceled:
            #expect(end == .failed("drain-incomplete"))
            #expect(world.placed == [given.item])
        case .wholeCanceled:
            #expect(end == .canceled)
            #expect(world.atWork == 0)
        case .sourceGoesAway:
            // Nothing is lost without having been accepted: it waits for the host, which comes back.
            #expect(end == .succeeded)
            #expect(world.placed.isEmpty)
        }
    }

    @Test(
        "a host that cannot be reached gives up only what its order names",
        arguments: [
            (fromBackup: true, acceptsLoss: false, left: [1, 2, 3]),
            (fromBackup: true, acceptsLoss: true, left: [3]),
        ])
    func offline(_ given: (fromBackup: Bool, acceptsLoss: Bool, left: [Int])) throws {
        var world = GroupWorld(projects: 5, parallel: 2)
        world.isOnline = false
        world.candidates[1].freshness = .dirty
        world.candidates[2].freshness = .unknown
        world.candidates[3].hasBackup = false
        world.candidates[4].isProvisioned = false
        var drain = DrainWorkflow(
            DrainOrder(
                maxParallel: 2, tries: 3, fromBackup: given.fromBackup,
                acceptsLoss: given.acceptsLoss))
        try world.drive(&drain, .nothing, item: 0)
        #expect(world.end == .failed("drain-incomplete"))
        #expect(world.placed.sorted() == given.left)
        #expect(world.reasons[3]?.reason == "no-backup")
    }

    @Test("projects go to the host with the most room, and none to one without")
    func room() throws {
        var world = GroupWorld(projects: 5, parallel: 64)
        for index in 0..<5 { world.candidates[index].bytes = 30 }
        world.targets = [("x", 100), ("y", 65)]
        var drain = DrainWorkflow(DrainOrder(maxParallel: 64))
        let begun = world.choose(&drain)
        #expect(begun == ["x", "x", "y", "x", "y"].map { Optional($0) })
        world.targets = [("x", 20)]
        var small = DrainWorkflow(DrainOrder(maxParallel: 64))
        #expect(world.choose(&small) == Array(repeating: nil, count: 5))
    }

    @Test("past its deadline nothing is begun, and what is at work comes to its end")
    func deadline() throws {
        var world = GroupWorld(projects: 5, parallel: 2)
        var drain = DrainWorkflow(
            DrainOrder(maxParallel: 2, deadline: Timestamp(milliseconds: world.now + 1500)))
        try world.drive(&drain, .nothing, item: 0)
        #expect(world.end == .failed("deadline-passed"))
        #expect(world.atWork == 0)
        #expect(!world.placed.isEmpty && world.placed.count < 5)
    }

    @Test("a volume that no placement explains keeps the drain waiting, and is named")
    func unknownVolume() throws {
        var world = GroupWorld(projects: 2, parallel: 2)
        world.unknownLooks = 2
        var drain = DrainWorkflow(DrainOrder())
        try world.drive(&drain, .nothing, item: 0)
        #expect(world.end == .succeeded)
        #expect(world.looks == 3)
        #expect(world.sentences.contains { $0.contains("no placement explains") })
        var leaving = GroupWorld(projects: 2, parallel: 2)
        leaving.unknownLooks = 2
        var other = DrainWorkflow(DrainOrder(leavesUnknown: true))
        try leaving.drive(&other, .nothing, item: 0)
        #expect(leaving.end == .succeeded)
        #expect(leaving.looks == 1)
    }

    @Test(
        "a batch ends, and says what it skipped and gave up",
        arguments: [Disturbance.nothing, .failsOnce, .failsAlways, .isCanceled, .wholeCanceled])
    func batch(_ disturbance: Disturbance) throws {
        var world = GroupWorld(projects: 5, parallel: 2)
        world.refusals[4] = "no-volume"
        var batch = BatchWorkflow(BatchOrder(verb: .backup, maxParallel: 2, tries: 3))
        try world.drive(&batch, disturbance, item: 1)
        switch disturbance {
        case .nothing, .failsOnce: #expect(world.end == .succeeded)
        case .wholeCanceled: #expect(world.end == .canceled)
        default: #expect(world.end == .failed("batch-incomplete"))
        }
        if disturbance != .wholeCanceled { #expect(world.reasons[4]?.state == .skipped) }
        #expect(world.errors.isEmpty)
    }

    @Test("a batch does not try again what an audit has found: the second try would hide it")
    func auditMismatch() throws {
        var world = GroupWorld(projects: 3, parallel: 2)
        world.failureCode = BackupDetection.auditMismatch
        var batch = BatchWorkflow(BatchOrder(verb: .audit, maxParallel: 2, tries: 3))
        try world.drive(&batch, .failsOnce, item: 1)
        #expect(world.end == .failed("batch-incomplete"))
        #expect(world.reasons[1]?.reason == BackupDetection.auditMismatch)
    }
}
