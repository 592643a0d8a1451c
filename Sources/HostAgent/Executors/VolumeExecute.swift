import Platform
import Shared

/// `volume.execute`: runs a command in a volume, as the project's user or as root.
struct VolumeExecute: Sendable {
    /// What the result holds of the output.
    private static let keptBytes = 64 << 10
    /// A command that says more is killed.
    private static let outputLimitBytes = 16 << 20

    func run(_ input: VolumeExecuteInput, _ work: Work) async throws -> VolumeExecuteResult {
        guard let program = input.command.first, !program.isEmpty else {
            throw Failure(code: "command-missing", message: "there is no command to run")
        }
        guard (1...86_400).contains(input.timeoutSeconds) else {
            throw Failure(
                code: "timeout-invalid",
                message: "a command may take 1 to 86400 seconds, not \(input.timeoutSeconds)")
        }
        _ = try await work.record(of: input.volume)
        if case .executing = try await work.ledger.journal(work.operation) {
            throw Failure(
                code: "command-interrupted",
                message: "the agent was interrupted while \(program) ran; it was killed, and what "
                    + "it had done by then stays",
                hint: "look at the project, and run it again where that is right")
        }
        let volume = input.volume
        let directory = work.layout.volume(volume.project)
        let user = input.asRoot ? nil : UserIdentity(userID: volume.uid, groupID: volume.gid)
        // Whatever it leaves behind is found there by the next stop, also what became another user.
        let group = ProjectProcesses(
            volume.project, uid: volume.uid, ledger: work.ledger.id
        ).group
        try group?.create()
        try await work.ledger.setJournal(work.operation, .executing)
        do {
            let result = try await ChildProcess.run(
                program, Array(input.command.dropFirst()),
                environment: RuntimeEnvironment.make(
                    project: volume.project, home: directory, more: [:]),
                directory: directory, outputLimitBytes: Self.outputLimitBytes, user: user,
                controlGroup: group, deadline: .seconds(input.timeoutSeconds))
            let output = result.output + result.errorOutput
            return VolumeExecuteResult(
                exitCode: Self.exitCode(result.exit),
                output: String(decoding: output.prefix(Self.keptBytes), as: UTF8.self),
                isTruncated: output.count > Self.keptBytes)
        } catch let error as DeadlineExceeded {
            throw Failure(
                code: "command-timeout",
                message: "\(program) was killed after \(input.timeoutSeconds) seconds: \(error)",
                hint: "give it more time with --timeout")
        } catch let error as PlatformError where error.code == .childProcess {
            throw Failure(code: "command-failed", message: "\(error)")
        } catch let error as PlatformError where error.code == .limitExceeded {
            throw Failure(
                code: "command-output", message: "\(error)",
                hint: "send its output into a file of the project")
        }
    }

    private static func exitCode(_ exit: ChildExit) -> Int32 {
        switch exit {
        case .code(let code): code
        case .signal(let number): 128 + number
        case .unknown: 255
        }
    }
}
