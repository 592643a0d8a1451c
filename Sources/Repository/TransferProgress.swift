import Platform

/// How far a backup or a restore has come.
public struct TransferProgress: Sendable, Hashable {
    /// Entries, directories left aside, that are complete.
    public var entriesDone: Int64 = 0
    /// Entries that are known to be there.
    public var entriesTotal: Int64 = 0
    /// Bytes of files read or written.
    public var bytesDone: Int64 = 0
    /// Length of all files that are known to be there.
    public var bytesTotal: Int64 = 0
}

/// Counts for several tasks and tells one observer.
final class TransferMeter: Sendable {
    private let state: Locked<TransferProgress>
    private let observe: @Sendable (TransferProgress) -> Void

    init(observe: @escaping @Sendable (TransferProgress) -> Void) {
        state = Locked(TransferProgress())
        self.observe = observe
    }

    func expect(entries: Int64, bytes: Int64) {
        observe(
            state.withLock {
                $0.entriesTotal += entries
                $0.bytesTotal += bytes
                return $0
            })
    }

    func advance(entries: Int64 = 0, bytes: Int64 = 0) {
        observe(
            state.withLock {
                $0.entriesDone += entries
                $0.bytesDone += bytes
                return $0
            })
    }
}
