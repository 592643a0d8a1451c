import Shared

/// What a volume or backup holds: the number of the last write, and which copy's content is at the
/// path that all copies go to.
struct Content: Hashable, Sendable {
    var version = 0
    var copy = -1

    /// What the product takes for a root tree's id.
    var rootTree: String { "v\(version)c\(copy)" }
}

/// A volume as its disk holds it.
struct Volume: Hashable, Sendable {
    var subvolume: Int
    var content: Content
    var transid = 1
    var isReadOnly = false
}

/// A read-only snapshot of a volume.
struct Snapshot: Hashable, Sendable {
    var subvolume: Int
    /// Of the volume that it was taken of.
    var volume: Int
    var transid: Int
    var content: Content
}

/// A backup in the registry.
struct Backup: Hashable, Sendable {
    var project: Int
    var content: Content
    var host: Int
    var generation: Int
    var isForgotten = false
}

/// A copy in the registry.
struct Copy: Hashable, Sendable {
    var operation: Int
    var source: Int
    var destination: Int
    var backup: Int
    var state = State.pending

    enum State: Int, Hashable, Sendable {
        case pending, applying, done, failed, canceled, superseded, expired

        var isOpen: Bool { self == .pending || self == .applying }

        init(_ state: CopyState) {
            switch state {
            case .pending: self = .pending
            case .applying: self = .applying
            case .done: self = .done
            case .failed: self = .failed
            case .canceled: self = .canceled
            case .superseded: self = .superseded
            case .expired: self = .expired
            }
        }

        var product: CopyState {
            switch self {
            case .pending: .pending
            case .applying: .applying
            case .done: .done
            case .failed: .failed
            case .canceled: .canceled
            case .superseded: .superseded
            case .expired: .expired
            }
        }
    }
}

/// Why a backup must not go away: an operation's pin, a copy's, or a host's base.
struct Pin: Hashable, Sendable {
    enum Holder: Hashable, Sendable {
        case operation(Int)
        case copy(Int)
        case base(host: Int)
    }

    var backup: Int
    var holder: Holder
}

/// A volume as its host reports it.
struct Observation: Hashable, Sendable {
    var project: Int
    var generation: Int
    var transid: Int
    /// -1 where there is no base.
    var covered: Int
    var base: Int
    var subvolume: Int
    /// 0 fresh, 1 dirty, 2 unknown.
    var freshness: Int
    var isRunning: Bool
    var isFrozen: Bool
}

/// A report's content.
enum ReportBody: Hashable, Sendable {
    case finished(operation: Int, epoch: Int, outcome: Int)
    case volume(Observation)
    case gone(project: Int)
    case inventory([Observation])
}

/// A numbered report.
struct Entry: Hashable, Sendable {
    var sequence: Int
    var body: ReportBody

    /// The project that it is about; nil for none.
    func project(of operation: (Int) -> Int) -> Int? {
        switch body {
        case .finished(let number, _, _): operation(number)
        case .volume(let observation): observation.project
        case .gone(let project): project
        case .inventory: nil
        }
    }
}

/// A broken invariant.
public struct Violation: Error, Hashable, Sendable, CustomStringConvertible {
    /// Such as `I4`, of RELIABILITY.md, or `D4`, of DESIGN.md.
    public var invariant: String
    /// What is wrong.
    public var text: String

    public var description: String { "\(invariant): \(text)" }
}
