import Shared

/// Why the engine refuses a request.
enum OperationProblem {
    static func unknownProject(_ project: ProjectID) -> Problem {
        Problem(
            status: 404, code: "project-not-found", title: "There is no such project",
            detail: "project \(project) does not exist or was deleted",
            hint: "see berth project list")
    }

    static func unknownHost(_ host: HostID) -> Problem {
        Problem(
            status: 404, code: "host-not-found", title: "There is no such host",
            detail: "host \(host) does not exist or was removed", hint: "see berth host list")
    }

    static func busy(with operation: OperationID?, kind: String) -> Problem {
        let name = operation.map { " \($0)" } ?? ""
        return Problem(
            status: 409, code: "project-busy", title: "Another operation holds the project",
            detail: "operation\(name) (\(kind)) works on the project",
            hint: operation.map { "wait for it with berth operation wait \($0)" },
            operation: operation)
    }

    static func sameHost(_ name: String) -> Problem {
        Problem(
            status: 409, code: "same-host", title: "The project is on that host",
            detail: "the project is placed on \(name) already", hint: "name another host")
    }

    static func hostOffline(_ name: String) -> Problem {
        Problem(
            status: 409, code: "host-offline", title: "The host cannot be used now",
            detail: "host \(name) is offline or cannot work",
            hint: "see berth host show \(name)")
    }

    static func hostCordoned(_ name: String) -> Problem {
        Problem(
            status: 409, code: "host-cordoned", title: "The host takes no projects",
            detail: "host \(name) is cordoned: nothing is placed on it",
            hint: "name another host, or berth host uncordon \(name)")
    }

    static func draining(_ drain: OperationID) -> Problem {
        Problem(
            status: 409, code: "host-draining", title: "The host is being drained",
            detail: "operation \(drain) empties the host",
            hint: "end it with berth host undrain HOST", operation: drain)
    }

    static func sourceOffline(_ project: ProjectDescription) -> Problem {
        let covered =
            project.lastBackup.map { "what changed since \($0) would be lost" }
            ?? "it has no backup"
        return Problem(
            status: 409, code: "source-offline", title: "The project's host cannot be reached",
            detail: "host \(project.hostName ?? "?") is offline; \(covered)",
            hint: "bring the host back, or accept the loss with --accept-loss \(project.name)")
    }

    static func noBackup(_ project: ProjectDescription) -> Problem {
        Problem(
            status: 409, code: "no-backup", title: "The project has no backup",
            detail: "no backup of \(project.name) is recorded",
            hint: "make one with berth backup create \(project.name)")
    }

    static func noVolume(_ project: ProjectDescription) -> Problem {
        Problem(
            status: 409, code: "no-volume", title: "The project has no volume on its host",
            detail: "host \(project.hostName ?? "?") does not have a volume of \(project.name)",
            hint: "make it with berth project start \(project.name)")
    }

    static let sessionEnded = Problem(
        status: 409, code: "session-ended", title: "The session has ended",
        detail: "another session of the host was opened, or this one's lease ran out",
        hint: "open a new session")

    static let leaseLost = Problem(
        status: 409, code: "lease-lost", title: "The lease of this operation is lost",
        detail: "another lease of the operation was given out, or it has ended",
        hint: "stop working on it and report nothing")

    static func tooLate(_ operation: OperationID, phase: String) -> Problem {
        Problem(
            status: 409, code: "too-late", title: "The operation cannot be stopped any more",
            detail: "it is behind its point of no return, in phase \(phase)",
            hint: "wait for its end", operation: operation)
    }

    static func copyNotFound(_ copy: CopyID) -> Problem {
        Problem(
            status: 404, code: "copy-not-found", title: "There is no such copy",
            detail: "copy \(copy) does not exist", hint: "see berth copy list")
    }

    static func copyEnded(_ copy: CopyID) -> Problem {
        Problem(
            status: 409, code: "copy-ended", title: "The copy has ended",
            detail: "copy \(copy) is neither pending nor applying")
    }

    static func quarantined(_ reason: String) -> Problem {
        Problem(
            status: 409, code: "ledger-quarantined", title: "The agent's ledger is not accepted",
            detail: reason,
            hint: "enroll the host again with a new join token; its volumes stay where they are")
    }
}
