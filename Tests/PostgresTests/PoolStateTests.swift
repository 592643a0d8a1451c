import Testing

@testable import Postgres

@Suite("What a pool decides")
struct PoolStateTests {
    private typealias State = PoolState<Int>

    private func pooled(_ number: Int) -> State.Pooled {
        State.Pooled(connection: number, madeAt: .now)
    }

    private func isConnect(_ answer: State.Answer) -> Bool {
        if case .granted(.connect) = answer { true } else { false }
    }

    private func isQueued(_ answer: State.Answer) -> Bool {
        if case .queued = answer { true } else { false }
    }

    @Test("there are never more connections than the limit")
    func bound() {
        var state = State(limit: 2)
        #expect(isConnect(state.acquire(1)))
        #expect(isConnect(state.acquire(2)))
        #expect(isQueued(state.acquire(3)))
        #expect(state.slots == 2)
        #expect(state.waiting == 1)
    }

    @Test("who waits longest is served first, also before someone new")
    func order() {
        var state = State(limit: 1)
        _ = state.acquire(1)
        _ = state.acquire(2)
        _ = state.acquire(3)
        #expect(state.release(pooled(7))?.ticket == 2)
        #expect(isQueued(state.acquire(4)))
        #expect(state.discard()?.ticket == 3)
        #expect(state.release(pooled(8))?.ticket == 4)
        #expect(state.release(pooled(8)) == nil)
        #expect(state.slots == 1)
    }

    @Test("a broken connection's slot goes to the next in the queue, who connects")
    func discard() throws {
        var state = State(limit: 1)
        _ = state.acquire(1)
        _ = state.acquire(2)
        let discarded = state.discard()
        let next = try #require(discarded)
        #expect(next.ticket == 2)
        guard case .connect = next.grant else {
            Issue.record("the slot's new owner has to connect")
            return
        }
        #expect(state.discard() == nil)
        #expect(state.slots == 0)
    }

    @Test("who gave up is not served, and who was served cannot give up")
    func giveUp() {
        var state = State(limit: 1)
        _ = state.acquire(1)
        _ = state.acquire(2)
        _ = state.acquire(3)
        let gaveUp = state.giveUp(2)
        #expect(gaveUp)
        #expect(state.release(pooled(1))?.ticket == 3)
        let again = state.giveUp(3)
        #expect(!again)
    }

    @Test("the queue is bounded")
    func queueBound() {
        var state = State(limit: 1, queueLimit: 1)
        _ = state.acquire(1)
        #expect(isQueued(state.acquire(2)))
        guard case .full = state.acquire(3) else {
            Issue.record("a full queue must refuse")
            return
        }
        #expect(state.waiting == 1)
    }

    @Test("a closed pool refuses, and keeps nothing that comes back")
    func close() {
        var state = State(limit: 2)
        _ = state.acquire(1)
        _ = state.acquire(2)
        _ = state.acquire(3)
        _ = state.release(pooled(1))
        let (idle, refused) = state.close()
        #expect(idle.isEmpty)
        #expect(refused.isEmpty)
        #expect(state.release(pooled(1)) == nil)
        #expect(state.discard() == nil)
        #expect(state.slots == 0)
        guard case .closed = state.acquire(9) else {
            Issue.record("a closed pool must refuse")
            return
        }
    }
}
