import ObjectStore
import Platform
import Testing

/// What every store promises; a new kind of store joins by a case of `StoreKind`.
@Suite(.timeLimit(.minutes(2)))
struct ContractTests {
    private static func name(_ text: String) throws -> ObjectName { try ObjectName(text) }

    @Test(
        "An object that was put is read back whole, in ranges and in chunks",
        arguments: StoreKind.tested)
    func readsBack(kind: StoreKind) async throws {
        try await kind.with { store in
            let bytes = Random.bytes(3 << 20 | 77)
            let name = try ObjectName("data/ab/abcd")
            #expect(try await store.put(name, .bytes(bytes)))
            #expect(try await store.get(name, limitBytes: bytes.count) == bytes)
            #expect(try await store.size(of: name) == Int64(bytes.count))
            for range in [0..<1, 5..<2_000_000, 3_145_728..<Int64(bytes.count), 9..<9]
                as [Range<Int64>]
            {
                let part = try await store.get(name, range: range, limitBytes: bytes.count)
                #expect(part == Array(bytes[Int(range.lowerBound)..<Int(range.upperBound)]))
            }
            let gathered = Locked<[UInt8]>([])
            try await store.stream(name, range: 100..<3_000_000) { piece in
                #expect(piece.count <= 1 << 20)
                gathered.withLock { $0 += piece }
            }
            #expect(gathered.withLock { $0 } == Array(bytes[100..<3_000_000]))
        }
    }

    @Test("An empty object is an object", arguments: StoreKind.tested)
    func empty(kind: StoreKind) async throws {
        try await kind.with { store in
            let name = try ObjectName("config")
            #expect(try await store.put(name, .bytes([])))
            #expect(try await store.get(name, limitBytes: 0) == [])
            #expect(try await store.size(of: name) == 0)
        }
    }

    @Test("What is missing is notFound, everywhere", arguments: StoreKind.tested)
    func missing(kind: StoreKind) async throws {
        try await kind.with { store in
            try await store.put(ObjectName("data/ab/abcd"), .bytes([1]))
            for text in ["data/ab/abce", "data/zz/nothing", "nothing", "data/ab", "data/ab/abcd/e"]
            {
                let name = try ObjectName(text)
                await expect(.notFound) { _ = try await store.get(name, limitBytes: 10) }
                await expect(.notFound) { _ = try await store.size(of: name) }
                #expect(try await !store.exists(name))
            }
            #expect(try await store.list(ObjectPrefix("nothing/")).isEmpty)
        }
    }

    @Test(
        "A range beyond the end and an object beyond the limit are refused",
        arguments: StoreKind.tested)
    func beyond(kind: StoreKind) async throws {
        try await kind.with { store in
            let name = try ObjectName("snapshots/a")
            try await store.put(name, .bytes([1, 2, 3]))
            for range in [0..<4, 2..<5, 3..<4, 8..<9] as [Range<Int64>] {
                await expect(.outOfRange) {
                    _ = try await store.get(name, range: range, limitBytes: 100)
                }
            }
            await expect(.limitExceeded) { _ = try await store.get(name, limitBytes: 2) }
        }
    }

    @Test(
        "Putting the same again succeeds; another length is refused and replaces nothing",
        arguments: StoreKind.tested)
    func neverReplaces(kind: StoreKind) async throws {
        try await kind.with { store in
            let name = try ObjectName("index/a")
            #expect(try await store.put(name, .bytes([1, 2, 3])))
            #expect(try await !store.put(name, .bytes([1, 2, 3])))
            await expect(.alreadyExists) { try await store.put(name, .bytes([1, 2])) }
            #expect(try await store.get(name, limitBytes: 9) == [1, 2, 3])
        }
    }

    @Test(
        "A listing shows what is below the prefix, in order, with lengths",
        arguments: StoreKind.tested)
    func lists(kind: StoreKind) async throws {
        try await kind.with { store in
            let names = [
                "data/00/00b", "config", "data/ff/ff0", "index/b", "index/a", "data/00/00a",
            ]
            for (length, name) in names.enumerated() {
                try await store.put(
                    ObjectName(name), .bytes([UInt8](repeating: 7, count: length)))
            }
            let data = try await store.list(ObjectPrefix("data/"))
            #expect(data.map(\.name.text) == ["data/00/00a", "data/00/00b", "data/ff/ff0"])
            #expect(data.map(\.bytes) == [5, 0, 2])
            let index = try await store.list(ObjectPrefix("index/"))
            #expect(index.map(\.name.text) == ["index/a", "index/b"])
            let all = try await store.list(.all)
            #expect(all.map(\.name.text) == names.sorted())
        }
    }

    @Test(
        "Bodies from files and streams arrive; wrong lengths leave nothing",
        arguments: StoreKind.tested)
    func bodies(kind: StoreKind) async throws {
        try await kind.with { store in
            let place = try TemporaryDirectory()
            let bytes = Random.bytes(2 << 20 | 5)
            try DurableFile.write(bytes, to: place.path + "/file")
            let file = try ObjectName("data/aa/file")
            try await store.put(
                file, .file(path: place.path + "/file", bytes: Int64(bytes.count)))
            #expect(try await store.get(file, limitBytes: 4 << 20) == bytes)
            let streamed = try ObjectName("data/aa/streamed")
            try await store.put(streamed, pieces(of: bytes, announced: bytes.count))
            #expect(try await store.get(streamed, limitBytes: 4 << 20) == bytes)
            let parts = try ObjectName("data/aa/parts")
            let cuts = [0, 1, 70_000, 70_000, 1_500_000, bytes.count]
            try await store.put(
                parts, .pieces(zip(cuts, cuts.dropFirst()).map { Array(bytes[$0..<$1]) }))
            #expect(try await store.get(parts, limitBytes: 4 << 20) == bytes)
            for announced in [bytes.count - 1, bytes.count + 1] {
                let name = try ObjectName("data/aa/wrong")
                await expect(.digest) {
                    try await store.put(name, pieces(of: bytes, announced: announced))
                }
                #expect(try await !store.exists(name))
            }
        }
    }

    @Test("Many puts of one name at once: one creates, all succeed", arguments: StoreKind.tested)
    func concurrent(kind: StoreKind) async throws {
        try await kind.with { store in
            let name = try ObjectName("data/cc/same")
            let bytes = Random.bytes(300_000)
            let created = try await withThrowingTaskGroup(of: Bool.self) { group in
                for _ in 0..<12 {
                    group.addTask { try await store.put(name, .bytes(bytes)) }
                }
                return try await group.reduce(0) { $0 + ($1 ? 1 : 0) }
            }
            #expect(created == 1)
            #expect(try await store.get(name, limitBytes: 1 << 20) == bytes)
            #expect(try await store.list(.all).count == 1)
        }
    }

    @Test(
        "Deleting twice succeeds where the store deletes, and is refused elsewhere",
        arguments: StoreKind.tested)
    func deletes(kind: StoreKind) async throws {
        try await kind.with { store in
            let name = try ObjectName("locks/a")
            try await store.put(name, .bytes([1]))
            guard kind.deletes else {
                await expect(.notAllowed) { try await store.delete(name) }
                return
            }
            try await store.delete(name)
            try await store.delete(name)
            #expect(try await store.list(.all).isEmpty)
        }
    }

    private func pieces(of bytes: [UInt8], announced: Int) -> ObjectBody {
        let rest = Locked(bytes[...])
        return .stream(bytes: Int64(announced)) {
            rest.withLock { rest -> [UInt8]? in
                guard !rest.isEmpty else { return nil }
                defer { rest = rest.dropFirst(100_000) }
                return Array(rest.prefix(100_000))
            }
        }
    }
}

/// Expects an `ObjectStoreError` of this code.
func expect(
    _ code: ObjectStoreError.Code, sourceLocation: SourceLocation = #_sourceLocation,
    _ body: () async throws -> Void
) async {
    let error = await #expect(throws: ObjectStoreError.self, sourceLocation: sourceLocation) {
        try await body()
    }
    #expect(error?.code == code, "\(error as Any)", sourceLocation: sourceLocation)
}
