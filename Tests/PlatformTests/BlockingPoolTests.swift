import Glibc
import Platform
import Testing

@Suite("BlockingPool", .timeLimit(.minutes(1)))
struct BlockingPoolTests {
    @Test("tasks go on while every thread of a pool blocks")
    func leavesTasksAlone() async throws {
        let width = 8
        let pool = BlockingPool(label: "test", width: width)
        let (begun, tell) = AsyncStream.makeStream(of: Void.self)
        var ends: [Int32] = [-1, -1]
        try #require(unsafe pipe(&ends) == 0)
        let input = ends[0]
        defer { close(input) }
        let output = Descriptor(owning: ends[1])
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<width {
                group.addTask {
                    try await pool.run {
                        tell.yield()
                        var byte: UInt8 = 0
                        _ = unsafe read(input, &byte, 1)
                    }
                }
            }
            // Only a task can let the threads go: this hangs if they took what tasks run on.
            var count = 0
            for await _ in begun {
                count += 1
                if count == width { break }
            }
            let bytes = [UInt8](repeating: 1, count: width)
            let sent = output.withNumber { unsafe write($0, bytes, width) }
            #expect(sent == width)
            try await group.waitForAll()
        }
    }

    @Test("no more bodies run at once than the pool is wide")
    func isBounded() async throws {
        let pool = BlockingPool(label: "test", width: 3)
        let running = Locked((now: 0, most: 0))
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<50 {
                group.addTask {
                    try await pool.run {
                        running.withLock {
                            $0.now += 1
                            $0.most = max($0.most, $0.now)
                        }
                        usleep(1000)
                        running.withLock { $0.now -= 1 }
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect((1...3).contains(running.withLock { $0.most }))
    }
}
