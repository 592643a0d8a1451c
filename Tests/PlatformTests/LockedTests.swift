import Platform
import Testing

@Suite("Locked")
struct LockedTests {
    @Test("a thousand tasks that add one leave a thousand")
    func adds() async {
        let sum = Locked(0)
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<1000 { group.addTask { sum.withLock { $0 += 1 } } }
        }
        #expect(sum.withLock { $0 } == 1000)
    }
}
