import FoundationEssentials
import Shared

/// Documents as a hub would send them.
enum Samples {
    static let now = Timestamp(milliseconds: 1_795_183_391_120)
    static let projectID = ProjectID(milliseconds: 1_795_000_000_000, random: (1, 2))
    static let hostID = HostID(milliseconds: 1_795_000_000_000, random: (3, 4))

    static func operationID(_ number: UInt64 = 7) -> OperationID {
        OperationID(milliseconds: 1_795_100_000_000, random: (number, number &* 0x9E37_79B9_7F4A))
    }

    static func project(name: String = "notes", isRunning: Bool = false) -> ProjectDescription {
        ProjectDescription(
            id: projectID, name: name, owner: "anna", region: "default", uid: 200_001,
            gid: 200_001, host: hostID, hostName: "h1", generation: 3, provisioned: true,
            runtime: RuntimeDescription(command: ["sleep", "1d"]),
            runtimeState: isRunning ? .running : .stopped, freshness: .dirty,
            exposureSeconds: 111_600,
            lastBackup: Timestamp(milliseconds: now.milliseconds - 9_000_000),
            createdAt: Timestamp(milliseconds: 1_795_000_000_000), deletedAt: nil)
    }

    static func host(_ name: String = "h1", state: HostState = .ready) -> HostDescription {
        HostDescription(
            id: hostID, name: name, region: "default", state: state, seenAt: now, projects: 340,
            provisioned: 61, running: 4,
            status: HostStatus(
                agentVersion: "0.1.0", filesystem: nil, freeBytes: 2 << 40, totalBytes: 8 << 40,
                outboxPending: 0, trouble: state == .troubled ? "btrfs is not mounted" : nil))
    }

    static func operation(
        _ state: OperationState, kind: OperationKind = .move, number: UInt64 = 7,
        phase: String? = nil, progress: Progress? = nil, waiting: Waiting? = nil,
        result: JSONValue? = nil,
        failure: Failure? = nil
    ) -> OperationDescription {
        OperationDescription(
            id: operationID(number), kind: kind, state: state, scope: projectID.description,
            scopeName: "notes", project: projectID, host: nil, parent: nil, phase: phase,
            attempt: 1,
            maxAttempts: 3, epoch: 9, waiting: waiting, progress: progress, result: result,
            failure: failure, cancelRequestedAt: nil, isCancelConfirmed: nil, createdBy: "anna",
            createdAt: now, startedAt: now,
            finishedAt: state.isTerminal ? Timestamp(milliseconds: now.milliseconds + 38_200) : nil)
    }

    static func progress(
        _ phase: String, _ index: Int, done: Int64 = 0, total: Int64? = nil,
        unit: Progress.Unit = .bytes, rate: Double? = nil, eta: Double? = nil,
        message: String? = nil, at milliseconds: Int64 = 0
    ) -> Progress {
        Progress(
            time: Timestamp(milliseconds: now.milliseconds + milliseconds), phase: phase,
            phaseIndex: index, phaseCount: 6, done: done, total: total, unit: unit, rate: rate,
            etaSeconds: eta, message: message)
    }

    static func entry(
        _ name: [UInt8] = Array("a.txt".utf8), type: String = "file", mode: UInt32 = 0o644
    ) -> BackupEntry {
        BackupEntry(
            name: Data(name), text: String(decoding: name, as: UTF8.self), type: type, bytes: 4711,
            mode: mode, uid: 200_001, gid: 200_001, modifiedAt: now,
            linkTarget: type == "symlink" ? "/dev/null" : nil)
    }

    static func status(hosts: Int) -> FleetStatus {
        FleetStatus(
            version: "0.1.0", asOf: now,
            hosts: (0..<hosts).map { host("h\($0)", state: $0 % 3 == 2 ? .silent : .ready) },
            projects: ProjectCounts(
                total: 214, provisioned: 161, provisionedUnknown: 2, running: 12, fresh: 155,
                dirty: 3, freshnessUnknown: 0, never: 1),
            worst: project(),
            runningOperations: (0..<min(hosts, 40)).map { number in
                operation(
                    .running, number: UInt64(number),
                    progress: progress(
                        "upload", 2, done: 1 << 30, total: 2 << 30, rate: 9_437_184, eta: 50))
            },
            operations: OperationCounts(queued: 0, running: 4, waiting: 1, failedInDay: 1),
            pendingCopies: 7, warnings: ["one disk holds everything"])
    }
}
