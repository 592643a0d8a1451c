import ObjectStore
import Platform

/// A real store whose user dies: after so many writes nothing more reaches it.
struct MortalStore: PassingStore {
    let store: any ObjectStorage
    private let left: Locked<Int>

    /// Whether it has died.
    var isDead: Bool { left.withLock { $0 < 0 } }

    init(_ store: any ObjectStorage, steps: Int) {
        self.store = store
        left = Locked(steps)
    }

    func put(_ name: ObjectName, _ body: ObjectBody) async throws -> Bool {
        try die()
        return try await store.put(name, body)
    }

    func delete(_ name: ObjectName) async throws {
        try die()
        try await store.delete(name)
    }

    private func die() throws {
        let isAlive = left.withLock { left -> Bool in
            left -= 1
            return left >= 0
        }
        if !isAlive { throw ObjectStoreError(code: .unavailable, message: "dead") }
    }
}
