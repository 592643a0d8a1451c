import Platform

/// Objects that are costly to make and serve one caller at a time.
///
/// One is taken for the length of a closure and put back. There are as many as there were callers at once, up to a limit kept idle.
final class InstancePool<Instance: Sendable>: Sendable {
    private let idle: Locked<[Instance]>
    private let idleLimit: Int
    private let make: @Sendable () throws -> Instance

    /// - Parameters:
    ///   - idleLimit: how many are kept for later, at least 1.
    ///   - make: makes one more.
    init(idleLimit: Int = 16, make: @escaping @Sendable () throws -> Instance) {
        idle = Locked([])
        self.idleLimit = idleLimit
        self.make = make
    }

    /// Runs `body` with an instance that nobody else has.
    func with<Answer>(_ body: (Instance) throws -> Answer) throws -> Answer {
        let instance = try idle.withLock { $0.popLast() } ?? make()
        // After a failure the instance may be in the middle of something: it is not used again.
        let answer = try body(instance)
        idle.withLock { if $0.count < idleLimit { $0.append(instance) } }
        return answer
    }
}
