import Shared

/// One change of the registry, as the log keeps it.
///
/// The name and the payload's form never change; a new form gets a new version. The registry's
/// tables hold nothing that is not in these.
enum RegistryEvent: Sendable {
    case hostExpected(HostExpected)
    case hostEnrolled(HostEnrolled)
    case hostSchedulable(HostSchedulable)
    case projectCreated(ProjectCreated)
    case projectWanted(ProjectWanted)
    case projectDeleted(ProjectDeleted)
    case placementChanged(PlacementChanged)
    case placementProvisioned(PlacementProvisioned)
    case placementAdopted(PlacementAdopted)
    case bucketCreated(BucketCreated)
    case bucketChanged(BucketChanged)
    case bucketRemoved(BucketRemoved)
    case projectRouted(ProjectRouted)
    case repositoryCreated(RepositoryCreated)
    case repositoryReplaced(RepositoryReplaced)
    case backupRecorded(BackupRecorded)
    case backupConfirmed(BackupConfirmed)
    case backupForgotten(BackupForgotten)
    case pinAdded(PinChanged)
    case pinReleased(PinChanged)
    case copyCreated(CopyCreated)
    case copyChanged(CopyChanged)
    case scheduleCreated(ScheduleRecorded)
    case scheduleChanged(ScheduleRecorded)
    case scheduleDeleted(ScheduleDeleted)

    /// The name in the log: the thing, a dot, what happened.
    var type: String {
        switch self {
        case .hostExpected: "host.expected"
        case .hostEnrolled: "host.enrolled"
        case .hostSchedulable: "host.schedulable"
        case .projectCreated: "project.created"
        case .projectWanted: "project.wanted"
        case .projectDeleted: "project.deleted"
        case .placementChanged: "placement.changed"
        case .placementProvisioned: "placement.provisioned"
        case .placementAdopted: "placement.adopted"
        case .bucketCreated: "bucket.created"
        case .bucketChanged: "bucket.changed"
        case .bucketRemoved: "bucket.removed"
        case .projectRouted: "project.routed"
        case .repositoryCreated: "repository.created"
        case .repositoryReplaced: "repository.replaced"
        case .backupRecorded: "backup.recorded"
        case .backupConfirmed: "backup.confirmed"
        case .backupForgotten: "backup.forgotten"
        case .pinAdded: "pin.added"
        case .pinReleased: "pin.released"
        case .copyCreated: "copy.created"
        case .copyChanged: "copy.changed"
        case .scheduleCreated: "schedule.created"
        case .scheduleChanged: "schedule.changed"
        case .scheduleDeleted: "schedule.deleted"
        }
    }

    /// The version of the payload's form.
    var version: Int { 1 }

    /// The project that the event is about, for the feed's filter.
    var project: ProjectID? {
        switch self {
        case .hostExpected, .hostEnrolled, .hostSchedulable, .bucketCreated, .bucketChanged,
            .bucketRemoved, .scheduleDeleted:
            nil
        case .scheduleCreated(let payload), .scheduleChanged(let payload):
            payload.definition.project
        case .projectRouted(let payload): payload.project
        case .projectCreated(let payload): payload.project
        case .projectWanted(let payload): payload.project
        case .projectDeleted(let payload): payload.project
        case .placementChanged(let payload): payload.project
        case .placementProvisioned(let payload): payload.project
        case .placementAdopted(let payload): payload.project
        case .repositoryCreated(let payload): payload.project
        case .repositoryReplaced(let payload): payload.project
        case .backupRecorded(let payload): payload.project
        case .backupConfirmed(let payload): payload.project
        case .backupForgotten(let payload): payload.project
        case .pinAdded(let payload), .pinReleased(let payload): payload.project
        case .copyCreated(let payload): payload.destination
        case .copyChanged(let payload): payload.destination
        }
    }

    /// The host that the event is about.
    var host: HostID? {
        switch self {
        case .hostExpected(let payload): payload.host
        case .hostEnrolled(let payload): payload.host
        case .hostSchedulable(let payload): payload.host
        case .projectCreated(let payload): payload.host
        case .placementChanged(let payload): payload.host
        case .placementProvisioned(let payload): payload.host
        case .placementAdopted(let payload): payload.host
        case .backupRecorded(let payload): payload.host
        case .backupConfirmed(let payload): payload.host
        case .projectWanted, .projectDeleted, .projectRouted, .bucketCreated, .bucketChanged,
            .bucketRemoved, .repositoryCreated, .repositoryReplaced, .backupForgotten, .pinAdded,
            .pinReleased, .copyCreated, .copyChanged, .scheduleCreated, .scheduleChanged,
            .scheduleDeleted:
            nil
        }
    }

    /// The payload's document, JSON with sorted keys.
    func payload() throws -> String {
        switch self {
        case .hostExpected(let payload): try JSON.text(payload)
        case .hostEnrolled(let payload): try JSON.text(payload)
        case .hostSchedulable(let payload): try JSON.text(payload)
        case .projectCreated(let payload): try JSON.text(payload)
        case .projectWanted(let payload): try JSON.text(payload)
        case .projectDeleted(let payload): try JSON.text(payload)
        case .placementChanged(let payload): try JSON.text(payload)
        case .placementProvisioned(let payload): try JSON.text(payload)
        case .placementAdopted(let payload): try JSON.text(payload)
        case .bucketCreated(let payload): try JSON.text(payload)
        case .bucketChanged(let payload): try JSON.text(payload)
        case .bucketRemoved(let payload): try JSON.text(payload)
        case .projectRouted(let payload): try JSON.text(payload)
        case .repositoryCreated(let payload): try JSON.text(payload)
        case .repositoryReplaced(let payload): try JSON.text(payload)
        case .backupRecorded(let payload): try JSON.text(payload)
        case .backupConfirmed(let payload): try JSON.text(payload)
        case .backupForgotten(let payload): try JSON.text(payload)
        case .pinAdded(let payload), .pinReleased(let payload): try JSON.text(payload)
        case .copyCreated(let payload): try JSON.text(payload)
        case .copyChanged(let payload): try JSON.text(payload)
        case .scheduleCreated(let payload), .scheduleChanged(let payload):
            try JSON.text(payload)
        case .scheduleDeleted(let payload): try JSON.text(payload)
        }
    }
}

/// A host was named and may enroll.
struct HostExpected: Codable, Sendable {
    var host: HostID
    var name: String
    var region: String
}

/// A host's agent enrolled with its ledger.
struct HostEnrolled: Codable, Sendable {
    var host: HostID
    var ledger: LedgerID
}

/// Projects may be placed on a host, or not any more.
struct HostSchedulable: Codable, Sendable {
    var host: HostID
    var isSchedulable: Bool
}

/// A project was created and placed, with generation 1 and no volume yet.
struct ProjectCreated: Codable, Sendable {
    var project: ProjectID
    var name: String
    var owner: String
    var region: String
    var uid: UInt32
    var gid: UInt32
    var runtime: RuntimeDescription
    var host: HostID
}

/// A project is meant to run, or not.
struct ProjectWanted: Codable, Sendable {
    var project: ProjectID
    var isWantedRunning: Bool
}

/// A project was deleted.
struct ProjectDeleted: Codable, Sendable {
    var project: ProjectID
}

/// A project belongs elsewhere, or is replaced in place: the generation rises (D1).
struct PlacementChanged: Codable, Sendable {
    var project: ProjectID
    var host: HostID
    var generation: Int64
    var isProvisioned: Bool?
}

/// Whether the volume really exists on the placed host became known.
struct PlacementProvisioned: Codable, Sendable {
    var project: ProjectID
    var host: HostID
    var generation: Int64
    var isProvisioned: Bool?
}

/// After the database went back in time, a host's volume proved a later placement.
struct PlacementAdopted: Codable, Sendable {
    var project: ProjectID
    var host: HostID
    var generation: Int64
}

/// A bucket was set up.
struct BucketCreated: Codable, Sendable {
    var bucket: BucketID
    var name: String
    var kind: String
    var region: String
    var settings: JSONValue
    var grantMode: GrantMode
    var isDefault: Bool
}

/// A project got its repository; its password is among the secrets.
struct RepositoryCreated: Codable, Sendable {
    var repository: RepositoryID
    var project: ProjectID
    var bucket: BucketID
    var prefix: String
    var chunkerPolynomial: String
}

/// A repository with another key took the place of a project's repository, with all backups.
struct RepositoryReplaced: Codable, Sendable {
    var repository: RepositoryID
    var project: ProjectID
    var bucket: BucketID
    var prefix: String
    var chunkerPolynomial: String
    /// The one that is not used any more.
    var replaces: RepositoryID
    /// The name that each snapshot has now, by the one it had.
    var snapshots: [String: String]
}

/// A backup was acknowledged (D2, D13).
struct BackupRecorded: Codable, Sendable {
    var backup: BackupID
    var project: ProjectID
    var repository: RepositoryID
    var snapshot: String
    var rootTree: String
    var takenAt: Timestamp
    var host: HostID
    var generation: Int64
    var operation: OperationID
    var files: Int64
    var bytes: Int64
    var addedBytes: Int64
    var storedBytes: Int64
    var omissions: [String]
    var tags: [String]
}

/// A later snapshot of the volume was the same as a backup, which so covers that moment too.
struct BackupConfirmed: Codable, Sendable {
    var backup: BackupID
    var project: ProjectID
    /// When that snapshot was taken.
    var takenAt: Timestamp
    var host: HostID
    var generation: Int64
    var operation: OperationID
}

/// A backup was forgotten: nothing may begin to need it any more.
struct BackupForgotten: Codable, Sendable {
    var backup: BackupID
    var project: ProjectID
}

/// Why a backup must not go away (D9).
enum PinReason: String, Codable, Sendable {
    case copy
    case move
    case restore
    case backup
    case base
    case trash
    case manual
}

/// A reason to keep a backup began or ended.
///
/// The holder is a copy's, an operation's or a host's UUID.
struct PinChanged: Codable, Sendable {
    var project: ProjectID
    var backup: BackupID
    var reason: PinReason
    var holder: String
}

/// A path is to be put into another project.
struct CopyCreated: Codable, Sendable {
    var copy: CopyID
    var operation: OperationID
    var source: ProjectID
    var backup: BackupID
    var sourcePath: ProjectPath
    var destination: ProjectID
    var destinationPath: ProjectPath
    var overwrite: Overwrite
    var expiresAt: Timestamp
}

/// A copy went on, or ended.
struct CopyChanged: Codable, Sendable {
    var copy: CopyID
    var destination: ProjectID
    var state: CopyState
    var failure: Failure?
}
