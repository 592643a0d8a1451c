import Platform
import Testing

@Suite("Backoff and randomness")
struct BackoffTests {
    /// Always the same bits.
    private struct Constant: RandomNumberGenerator {
        let bits: UInt64
        mutating func next() -> UInt64 { bits }
    }

    @Test("fixed waits come first, then doubling bounds up to the cap")
    func sequence() {
        let backoff = Backoff(
            base: .seconds(1), cap: .seconds(10), first: [.zero, .seconds(5)])
        var top = Constant(bits: .max)
        let waits = (1...8).map { backoff.delay(afterAttempt: $0, using: &top) }
        #expect(waits[0] == .zero)
        #expect(waits[1] == .seconds(5))
        for (wait, bound) in zip(waits.dropFirst(2), [1, 2, 4, 8, 10, 10]) {
            #expect(wait <= .seconds(bound))
            #expect(wait > .seconds(bound) * 0.99)
        }
    }

    @Test("jitter is full: from nothing to the bound", arguments: [1, 5, 60, 1_000_000])
    func jitter(attempt: Int) {
        let backoff = Backoff()
        var bottom = Constant(bits: 0)
        #expect(backoff.delay(afterAttempt: attempt, using: &bottom) == .zero)
        var random = Random()
        for _ in 0..<100 {
            let wait = backoff.delay(afterAttempt: attempt, using: &random)
            #expect(wait >= .zero && wait <= .seconds(60))
        }
    }

    @Test("random bytes come in the length asked for and differ", arguments: [0, 1, 32, 5000])
    func bytes(count: Int) {
        let bytes = Random.bytes(count)
        #expect(bytes.count == count)
        if count >= 32 { #expect(bytes != Random.bytes(count)) }
        #expect(Random.hex(bytes: count).utf8.count == count * 2)
    }
}
