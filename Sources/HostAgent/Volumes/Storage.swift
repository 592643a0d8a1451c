import Platform
import Shared

/// The btrfs file system that holds the volumes, as far as it can be used now: it may be unmounted,
/// or become another one, at any time.
///
/// Nothing is done, and nothing is reported, while it is not certain to be this ledger's (D4).
final class Storage: Sendable {
    /// Whether it can be used.
    enum State: Sendable, Equatable {
        case ready(FilesystemID)
        /// Why not.
        case trouble(String)
    }

    let layout: VolumeLayout
    private let ledger: LedgerID
    private let pool: BlockingPool
    private let state = Locked(State.trouble("the file system was not looked at yet"))

    init(root: String, ledger: LedgerID, pool: BlockingPool) {
        layout = VolumeLayout(root: root)
        self.ledger = ledger
        self.pool = pool
    }

    /// Looks at the mount point and the marker.
    ///
    /// - Returns: the state before and now.
    func check() async -> (before: State, now: State) {
        let layout = layout
        let ledger = ledger
        let now: State
        do {
            let filesystem = try await pool.run {
                let filesystem = try VolumeFiles.filesystem(at: layout.root)
                try Marker.read(layout).check(
                    filesystem: filesystem, ledger: ledger, layout)
                return filesystem
            }
            now = .ready(filesystem)
        } catch {
            now = .trouble("\(error)")
        }
        let before = state.withLock { state -> State in
            defer { state = now }
            return state
        }
        return (before, now)
    }

    /// Why it cannot be used; nil when all is well.
    var trouble: String? {
        state.withLock { state in
            switch state {
            case .ready: nil
            case .trouble(let why): why
            }
        }
    }

    /// The identity of the file system; nil when it cannot be used.
    var filesystem: FilesystemID? {
        state.withLock { state in
            switch state {
            case .ready(let filesystem): filesystem
            case .trouble: nil
            }
        }
    }

    /// What works on it.
    ///
    /// - Throws: `Failure` with code `storage-trouble` while it cannot be used.
    func files() throws -> VolumeFiles {
        guard let filesystem else {
            throw Failure(
                code: "storage-trouble",
                message: trouble ?? "the file system cannot be used",
                hint: "mount the host's btrfs file system; the agent goes on by itself",
                class: .retryable)
        }
        return VolumeFiles(layout: layout, filesystem: filesystem, pool: pool)
    }

    /// Free and total bytes of the file system; zero when it cannot be asked.
    func space() async -> (freeBytes: Int64, totalBytes: Int64) {
        let root = layout.root
        // A host that cannot be asked says so by its trouble.
        return (try? await pool.run { try VolumeFiles.space(at: root) }) ?? (0, 0)
    }
}
