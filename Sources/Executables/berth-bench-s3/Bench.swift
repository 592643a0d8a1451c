import Glibc
import ObjectStore
import Platform

/// The measured work, through the same calls that a hub makes.
struct Bench {
    let store: S3Store

    private static let smallBytes = 4 << 10
    private static let smallAtOnce = 16
    private static let largeAtOnce = 4

    /// Stores the files `0`, `1`, … of a directory.
    func put(directory: String, below: String, count: Int) async throws {
        let store = store
        try await Self.each(count, atOnce: Self.largeAtOnce) { index in
            let path = "\(directory)/\(index)"
            var attributes = stat()
            try systemCall("stat \(path)") { unsafe stat(path, &attributes) }
            try await store.put(
                ObjectName("\(below)/\(index)"),
                .file(path: path, bytes: Int64(attributes.st_size)))
        }
    }

    /// Reads the objects `0`, `1`, … into files.
    func get(below: String, directory: String, count: Int) async throws {
        let store = store
        let disk = BlockingPool(label: "berth.bench.disk", width: Self.largeAtOnce)
        try await Self.each(count, atOnce: Self.largeAtOnce) { index in
            let file = try OutputFile(path: "\(directory)/\(index)")
            try await store.stream(ObjectName("\(below)/\(index)"), range: nil) { piece in
                try await disk.run { try file.write(piece) }
            }
        }
    }

    /// Stores and reads small objects.
    ///
    /// - Returns: objects a second.
    func small(count: Int) async throws -> Double {
        let store = store
        let run = Random.hex(bytes: 4)
        let bytes = Random.bytes(Self.smallBytes)
        let clock = ContinuousClock()
        let time = try await clock.measure {
            try await Self.each(count, atOnce: Self.smallAtOnce) { index in
                try await store.put(ObjectName("small-\(run)/\(index)"), .bytes(bytes))
            }
            try await Self.each(count, atOnce: Self.smallAtOnce) { index in
                let name = try ObjectName("small-\(run)/\(index)")
                let read = try await store.get(name, limitBytes: Self.smallBytes)
                precondition(read.count == Self.smallBytes, "all of it")
            }
        }
        return Double(2 * count) / (time / .seconds(1))
    }

    /// Signs URLs in batches of 100, as grants do.
    ///
    /// - Returns: URLs a second.
    func presign(count: Int) throws -> Double {
        let signer = store.signer
        let hash = [UInt8](repeating: 7, count: 32)
        let headers = signer.putHeaders(sha256: hash, isConditional: true)
        let requests = try (0..<100).map { index in
            S3Signer.Presign(
                method: "PUT", name: try ObjectName("data/aa/\(1_000_000 + index)"),
                headers: headers)
        }
        var signed = 0
        let time = ContinuousClock().measure {
            while signed < count {
                signed += signer.presign(requests, expires: .seconds(300)).count
            }
        }
        return Double(signed) / (time / .seconds(1))
    }

    /// Stores one object that is made while it is sent, and reads it back.
    func stream(bytes: Int64) async throws {
        let piece = Random.bytes(1 << 20)
        let sent = Locked<Int64>(0)
        let name = try ObjectName("stream-\(Random.hex(bytes: 4))")
        try await store.put(
            name,
            .stream(bytes: bytes) {
                sent.withLock { sent -> [UInt8]? in
                    guard sent < bytes else { return nil }
                    let count = min(Int64(piece.count), bytes - sent)
                    sent += count
                    // Bytes of its own: what is shared would take no memory.
                    var fresh = Array(piece.prefix(Int(count)))
                    fresh[0] = UInt8(truncatingIfNeeded: sent >> 20)
                    return fresh
                }
            })
        let received = Locked<Int64>(0)
        try await store.stream(name, range: nil) { piece in
            received.withLock { $0 += Int64(piece.count) }
        }
        precondition(received.withLock { $0 } == bytes, "all of it")
        try await store.delete(name)
    }

    /// Runs `body` for `0..<count`, so many at once.
    private static func each(
        _ count: Int, atOnce: Int, _ body: @escaping @Sendable (Int) async throws -> Void
    ) async throws {
        let next = Locked(0)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<atOnce {
                group.addTask {
                    while true {
                        let index = next.withLock { next -> Int in
                            defer { next += 1 }
                            return next
                        }
                        guard index < count else { return }
                        try await body(index)
                    }
                }
            }
            try await group.waitForAll()
        }
    }
}

/// A new file that is written once.
private final class OutputFile: Sendable {
    private let descriptor: Descriptor

    init(path: String) throws {
        descriptor = try Descriptor(opening: path, flags: O_WRONLY | O_CREAT | O_TRUNC)
    }

    func write(_ bytes: [UInt8]) throws {
        try descriptor.withNumber { number in
            try unsafe bytes.withUnsafeBytes { buffer in
                var done = 0
                while done < buffer.count {
                    done += try systemCall("write") {
                        unsafe Glibc.write(
                            number, buffer.baseAddress.map { unsafe $0 + done },
                            buffer.count - done)
                    }
                }
            }
        }
    }
}
