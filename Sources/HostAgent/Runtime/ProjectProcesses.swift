import Platform
import Shared

/// Which processes are a project's on this host: those in its control group, whatever user they
/// have become, and those of its user, however they came to be.
///
/// A project's user is one for the fleet; processes of that user in the group of another agent of
/// this machine belong to that agent. No project can put a process there: only root can.
struct ProjectProcesses: Sendable {
    private static let prefix = "berth-"

    let project: ProjectID
    let uid: UInt32
    private let owner: String

    /// - Parameter ledger: tells this agent's groups from those of another one on the machine.
    init(_ project: ProjectID, uid: UInt32, ledger: LedgerID) {
        self.project = project
        self.uid = uid
        owner = "\(Self.prefix)\(ledger)"
    }

    /// The project's group; nil on a system without control groups, where the user alone tells.
    var group: ControlGroup? { ControlGroup(name: "\(owner)/\(project)") }

    /// All of them now.
    ///
    /// Blocks: reads /proc.
    ///
    /// - Throws: `PlatformError` when /proc cannot be read.
    func all() throws -> [Int32] {
        var found = Set(try group?.processes() ?? [])
        // Root's processes are a project's only where they are in its group.
        if uid != 0 {
            for pid in try ProcessTable.processes(ofUser: uid) where !isForeign(pid) {
                found.insert(pid)
            }
        }
        return found.sorted()
    }

    private func isForeign(_ pid: Int32) -> Bool {
        ControlGroup.names(of: pid).contains { name in
            let first = name.split(separator: "/").first ?? ""
            return first.hasPrefix(Self.prefix) && first != owner
        }
    }
}
