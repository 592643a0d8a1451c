import Glibc
import Platform

/// Bytes on their way between a C callback, which cannot wait, and a task, which can.
///
/// One side is synchronous (`offer` or `take`), the other is asynchronous (`next` or `write`).
/// When the synchronous side cannot go on it is told so and `wake` is called, outside all locks,
/// once it is worth looking again; it may be called without need. The buffer holds about
/// `capacityBytes`: the piece that crosses the line is still accepted.
final class BodyPipe: Sendable {
    /// What `offer` did.
    enum Offered { case accepted, full, discarded }
    /// What `take` found.
    enum Taken: Equatable {
        case bytes(Int)
        case empty, ended, failed
    }

    fileprivate enum End {
        case finished
        case failed(any Error)
    }

    fileprivate struct State {
        var chunks: [[UInt8]] = []
        var firstChunk = 0
        var offset = 0
        var bufferedBytes = 0
        var end: End?
        var isSynchronousSideWaiting = false
        var waiter: CheckedContinuation<Void, Never>?
        /// So many bytes the waiting reader wants to find.
        var wantedBytes = 1
    }

    private let capacityBytes: Int
    private let wake: @Sendable () -> Void
    private let state = Locked(State())

    /// - Parameters:
    ///   - capacityBytes: how much is buffered before the writing side has to wait.
    ///   - wake: called when the waiting synchronous side should look again.
    init(capacityBytes: Int, wake: @escaping @Sendable () -> Void) {
        self.capacityBytes = capacityBytes
        self.wake = wake
    }

    // MARK: the synchronous side

    /// Copies a piece into the pipe, or refuses it whole.
    func offer(_ piece: UnsafeRawBufferPointer) -> Offered {
        let (answer, waiter) = state.withLock {
            state -> (Offered, CheckedContinuation<Void, Never>?) in
            guard state.end == nil else { return (.discarded, nil) }
            guard state.bufferedBytes < capacityBytes else {
                state.isSynchronousSideWaiting = true
                return (.full, nil)
            }
            unsafe state.append(piece)
            let isEnough = state.bufferedBytes >= state.wantedBytes
            return (.accepted, isEnough ? state.takeWaiter() : nil)
        }
        waiter?.resume()
        return answer
    }

    /// Moves up to `target.count` bytes out of the pipe.
    func take(into target: UnsafeMutableRawBufferPointer) -> Taken {
        let (answer, waiter) = state.withLock {
            state -> (Taken, CheckedContinuation<Void, Never>?) in
            if case .failed = state.end { return (.failed, nil) }
            guard state.bufferedBytes > 0 else {
                if case .finished = state.end { return (.ended, nil) }
                state.isSynchronousSideWaiting = true
                return (.empty, nil)
            }
            let count = unsafe state.move(into: target)
            let hasSpace = state.bufferedBytes < capacityBytes
            return (.bytes(count), hasSpace ? state.takeWaiter() : nil)
        }
        waiter?.resume()
        return answer
    }

    // MARK: the asynchronous side

    /// The next bytes, or nil at the end; waits until there are some.
    ///
    /// - Parameter wantedBytes: where it has to wait at all, it waits for so many, or for the end:
    ///   a change of threads for every piece costs more than what is done with it. At most the
    ///   capacity.
    /// - Throws: what the other side failed with, or `CancellationError`.
    func next(waitingFor wantedBytes: Int = 1) async throws -> [UInt8]? {
        let wantedBytes = min(max(wantedBytes, 1), capacityBytes)
        while true {
            try Task.checkCancellation()
            let (found, mustWake) = try state.withLock { state -> ([UInt8]??, Bool) in
                if case .failed(let error) = state.end { throw error }
                guard state.bufferedBytes > 0 else {
                    return (state.end == nil ? .none : .some(nil), false)
                }
                let chunk = state.removeFirst()
                let mustWake =
                    state.isSynchronousSideWaiting && state.bufferedBytes <= capacityBytes / 2
                if mustWake { state.isSynchronousSideWaiting = false }
                return (.some(chunk), mustWake)
            }
            if mustWake { wake() }
            if let found { return found }
            state.withLock { $0.wantedBytes = wantedBytes }
            try await wait { $0.bufferedBytes >= wantedBytes || $0.end != nil }
        }
    }

    /// Adds bytes, then waits while the pipe is over its capacity.
    ///
    /// - Throws: what the other side failed with, `HTTPError` with code `closed` after the end, or
    ///   `CancellationError`.
    func write(_ bytes: [UInt8]) async throws {
        try Task.checkCancellation()
        guard !bytes.isEmpty else { return }
        let mustWake = try state.withLock { state -> Bool in
            try state.checkOpen()
            state.chunks.append(bytes)
            state.bufferedBytes += bytes.count
            return state.takeSynchronousWait()
        }
        if mustWake { wake() }
        let capacityBytes = self.capacityBytes
        try await wait { $0.bufferedBytes < capacityBytes || $0.end != nil }
        try Task.checkCancellation()
        try state.withLock { state throws -> Void in
            if case .failed(let error) = state.end { throw error }
        }
    }

    // MARK: either side

    /// Ends the pipe after what it holds; nothing if it has ended.
    func finish() { end(.finished) }

    /// Ends the pipe at once: what it holds is dropped, both sides see the failure.
    func fail(_ error: any Error) { end(.failed(error)) }

    private func end(_ end: End) {
        let (waiter, mustWake) = state.withLock {
            state -> (CheckedContinuation<Void, Never>?, Bool) in
            guard state.end == nil else { return (nil, false) }
            state.end = end
            if case .failed = end { state.clear() }
            return (state.takeWaiter(), state.takeSynchronousWait())
        }
        waiter?.resume()
        if mustWake { wake() }
    }

    /// Waits until `isReady` may hold, or the task is canceled.
    private func wait(until isReady: @Sendable (borrowing State) -> Bool) async throws {
        let isBusy = await withTaskCancellationHandler {
            await withCheckedContinuation { (mine: CheckedContinuation<Void, Never>) in
                let mayGoOn = state.withLock { state -> Bool in
                    if isReady(state) || Task.isCancelled || state.waiter != nil { return true }
                    state.waiter = mine
                    return false
                }
                if mayGoOn { mine.resume() }
            }
            return state.withLock { $0.waiter != nil }
        } onCancel: {
            state.withLock { $0.takeWaiter() }?.resume()
        }
        guard !isBusy else {
            throw HTTPError(code: .invalidMessage, message: "two tasks use one body at once")
        }
    }
}

extension BodyPipe.State {
    fileprivate mutating func append(_ piece: UnsafeRawBufferPointer) {
        bufferedBytes += piece.count
        if let last = chunks.indices.last, last >= firstChunk,
            chunks[last].count + piece.count <= 64 << 10
        {
            unsafe chunks[last].append(contentsOf: piece)
        } else {
            unsafe chunks.append([UInt8](piece))
        }
    }

    fileprivate mutating func removeFirst() -> [UInt8] {
        let chunk = chunks[firstChunk]
        bufferedBytes -= chunk.count
        advance()
        return chunk
    }

    fileprivate mutating func move(into target: UnsafeMutableRawBufferPointer) -> Int {
        var moved = 0
        while moved < target.count, firstChunk < chunks.count {
            let count = min(chunks[firstChunk].count - offset, target.count - moved)
            unsafe chunks[firstChunk].withUnsafeBytes { chunk in
                let source = unsafe UnsafeRawBufferPointer(rebasing: chunk[offset..<offset + count])
                let place = unsafe UnsafeMutableRawBufferPointer(
                    rebasing: target[moved..<moved + count])
                unsafe place.copyMemory(from: source)
            }
            moved += count
            offset += count
            if offset == chunks[firstChunk].count { advance() }
        }
        bufferedBytes -= moved
        return moved
    }

    private mutating func advance() {
        chunks[firstChunk] = []
        firstChunk += 1
        offset = 0
        if firstChunk == chunks.count {
            chunks.removeAll(keepingCapacity: true)
            firstChunk = 0
        } else if firstChunk >= 32 {
            chunks.removeFirst(firstChunk)
            firstChunk = 0
        }
    }

    fileprivate mutating func clear() {
        chunks = []
        firstChunk = 0
        offset = 0
        bufferedBytes = 0
    }

    fileprivate mutating func takeWaiter() -> CheckedContinuation<Void, Never>? {
        defer { waiter = nil }
        return waiter
    }

    fileprivate mutating func takeSynchronousWait() -> Bool {
        defer { isSynchronousSideWaiting = false }
        return isSynchronousSideWaiting
    }

    fileprivate func checkOpen() throws {
        switch end {
        case nil: return
        case .finished: throw HTTPError(code: .closed, message: "the body has ended")
        case .failed(let error): throw error
        }
    }
}
