/// A file in `locks/`: a running program's claim (restic design, "Locks").
public struct LockFile: Codable, Sendable, Equatable {
    /// When it was written; refreshed every five minutes.
    public var time: NodeTime
    /// Whether it excludes all others: prune, forget, check.
    public var exclusive: Bool
    /// The program's host.
    ///
    /// Berth writes a synthetic name, never the machine's: `restic unlock` sends SIGHUP to the
    /// process of a lock with its own host's name, to see whether it lives.
    public var hostname: String
    /// A user's name.
    public var username: String
    /// A process number; meaningless beside a synthetic host name.
    public var pid: Int
    /// That user's number.
    public var uid: UInt32?
    /// That user's group.
    public var gid: UInt32?

    /// Describes a claim.
    public init(time: NodeTime, exclusive: Bool, hostname: String, username: String, pid: Int) {
        self.time = time
        self.exclusive = exclusive
        self.hostname = hostname
        self.username = username
        self.pid = pid
    }

    /// A lock is stale when it was not refreshed for so many seconds.
    public static let staleSeconds: Int64 = 30 * 60

    /// Whether its owner must have stopped.
    ///
    /// A stale lock still blocks until it is removed.
    public func isStale(at now: NodeTime) -> Bool { now.seconds - time.seconds > Self.staleSeconds }

    /// Whether both say that they are of the same program.
    func isOfSameHolder(as other: LockFile) -> Bool {
        (hostname, username, pid) == (other.hostname, other.username, other.pid)
    }

    /// Whether both cannot hold at once.
    public func conflicts(with other: LockFile) -> Bool { exclusive || other.exclusive }
}
