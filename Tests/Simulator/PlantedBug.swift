/// A bug planted into the simulated system: what the simulator must find in seconds.
public enum PlantedBug: String, Sendable, CaseIterable {
    /// The hub takes an outcome without asking for the lease's epoch.
    case noFence
    /// The hub answers reports before the transaction that applies them is committed.
    case ackBeforeCommit
    /// Whether a project is guarded is looked up, and the operation inserted afterwards.
    case selectThenInsert
    /// A hub decides by its own clock that a lease has run out.
    case wallClockLease
    /// A lease request does not renew its session, and the worker counts from the request.
    case leaseDoesNotRenew
    /// The worker counts its lease from the answer, and uses all of it.
    case leaseFromAnswer
    /// An agent whose session was ended opens the same one again and again.
    case sessionKept
    /// Unknown counts as not provisioned.
    case nullAsFalse
    /// An acknowledgement removes all reports about the same project.
    case ackBySubject
    /// Reports behind a gap are applied.
    case gapIgnored
    /// Reports are applied however often they come.
    case appliedTwice
    /// The snapshot file and the record are written before the index.
    case snapshotBeforeIndex
    /// A commit does not look where the project is placed.
    case noGenerationCheck
    /// A repeated commit is answered without comparing what it is about.
    case commitNotCompared
    /// A backup that was overtaken by a write says that it is current.
    case freshTooHigh
    /// A child's end is heard before an accepted cancel.
    case cancelHeardLate
    /// A terminal state is overwritten.
    case terminalChanges
    /// A copy does not pin its backup.
    case copyUnpinned
    /// A recorded backup is not pinned by the operation that made it.
    case recordedUnpinned
    /// A copy that was superseded is applied all the same.
    case supersededApplied
    /// A copy does not wait for an earlier one to the same place.
    case copyOvertakes
    /// A volume that is retired or replaced is deleted instead of kept in the trash.
    case noTrash
    /// The guard is given back before the placement is switched.
    case guardReleasedEarly
    /// A move does not wait for those who work on the project.
    case noDrain
    /// An agent does not remember the guards that it has seen.
    case guardForgotten
    /// The report of a volume that is gone is not in the transaction of its removal.
    case reportApart
}
