import Shared
import Testing

@testable import Hub

@Suite("What a claimed workflow hears next")
struct WorkflowAgendaTests {
    private let ended = WorkflowChild(
        id: WorkflowWorld.identifier(1), key: "stage", lane: "x", outcome: .succeeded(.null))

    @Test("an accepted cancel comes before the end of a child, which may be the last step back")
    func cancelFirst() {
        var agenda = WorkflowAgenda(hasBegun: true)
        let first = agenda.next(awaited: ["stage"], children: [ended], isCancelDue: true)
        guard case .cancelRequested = first else {
            Issue.record("\(String(describing: first))")
            return
        }
        agenda.heard(.cancelRequested, hasActed: true, waits: false)
        let second = agenda.next(awaited: ["stage"], children: [ended], isCancelDue: true)
        guard case .childEnded("stage", _) = second else {
            Issue.record("\(String(describing: second))")
            return
        }
    }

    @Test("a woken workflow that does nothing parks, and one that acts is asked again")
    func parks() {
        var agenda = WorkflowAgenda(hasBegun: false)
        let began = agenda.next(awaited: [], children: [], isCancelDue: false)
        guard case .began = began else {
            Issue.record("\(String(describing: began))")
            return
        }
        agenda.heard(.began, hasActed: true, waits: false)
        #expect(agenda.next(awaited: [], children: [], isCancelDue: false) != nil)
        agenda.heard(.woken, hasActed: true, waits: false)
        #expect(agenda.next(awaited: [], children: [], isCancelDue: false) != nil)
        agenda.heard(.woken, hasActed: true, waits: true)
        #expect(agenda.next(awaited: [], children: [], isCancelDue: false) == nil)
    }
}
