import Shared
import Testing

@testable import HostAgent

@Suite("Which leases are accepted")
struct AcceptanceTests {
    private let project = ProjectID.make()
    private let operation = OperationID.make()

    private func lease(
        _ kind: OperationKind = .volumeBackup, epoch: Int64
    ) -> LeasedOperation {
        LeasedOperation(id: operation, kind: kind, epoch: epoch, attempt: 1, input: .null)
    }

    private func outcome(
        _ state: OperationState, epoch: Int64, class: Failure.Class? = nil
    ) -> OperationOutcome {
        OperationOutcome(
            operation: operation, epoch: epoch, state: state, result: nil,
            failure: `class`.map { Failure(code: "x", message: "x", class: $0) })
    }

    private func volume(_ generation: Int64) -> VolumeReference {
        VolumeReference(project: project, generation: generation, uid: 5000, gid: 5000)
    }

    @Test("an operation that was never seen runs")
    func runsNew() {
        #expect(
            Acceptance.decide(lease(epoch: 3), volume: nil, known: nil, record: nil, guardEpoch: 0)
                == .run)
    }

    @Test("a lower epoch of the same operation is left alone", arguments: [1, 2, 6] as [Int64])
    func refusesLowerEpoch(epoch: Int64) {
        let known = Acceptance.Known(epoch: 7, outcome: nil)
        #expect(
            Acceptance.decide(
                lease(epoch: epoch), volume: nil, known: known, record: nil, guardEpoch: 0)
                == .stale)
    }

    @Test("an operation that ended here answers its outcome under the new lease")
    func answersAgain() {
        let known = Acceptance.Known(epoch: 7, outcome: outcome(.succeeded, epoch: 7))
        #expect(
            Acceptance.decide(
                lease(epoch: 9), volume: nil, known: known, record: nil, guardEpoch: 0)
                == .answer(outcome(.succeeded, epoch: 9)))
        #expect(
            Acceptance.decide(
                lease(epoch: 7), volume: nil, known: known, record: nil, guardEpoch: 0) == .stale)
    }

    @Test("a terminal failure is answered again, a retryable one is tried again")
    func triesAgain() {
        let terminal = outcome(.failed, epoch: 7, class: .terminal)
        var known = Acceptance.Known(epoch: 7, outcome: terminal)
        #expect(
            Acceptance.decide(
                lease(epoch: 8), volume: nil, known: known, record: nil, guardEpoch: 0)
                == .answer(outcome(.failed, epoch: 8, class: .terminal)))
        known.outcome = outcome(.failed, epoch: 7, class: .retryable)
        #expect(
            Acceptance.decide(
                lease(epoch: 8), volume: nil, known: known, record: nil, guardEpoch: 0) == .run)
    }

    @Test(
        "a lower generation is refused with a reason, an older lease than a guard's is left alone")
    func refusesGenerations() {
        let record = VolumeRecord(project: project, generation: 4, uid: 5000, gid: 5000)
        let refused = Acceptance.decide(
            lease(epoch: 21), volume: volume(3), known: nil, record: record,
            guardEpoch: 20)
        guard case .refuse(let failure) = refused else {
            Issue.record("\(refused)")
            return
        }
        #expect(failure.code == "generation-outdated")
        #expect(
            Acceptance.decide(
                lease(epoch: 19), volume: volume(4), known: nil, record: record,
                guardEpoch: 20)
                == .stale)
        #expect(
            Acceptance.decide(
                lease(epoch: 21), volume: volume(4), known: nil, record: record,
                guardEpoch: 20)
                == .run)
    }
}
