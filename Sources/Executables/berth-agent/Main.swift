import Glibc
import HostAgent

/// The agent's process: the only composition root is `AgentProgram`.
@main
enum Main {
    static func main() async {
        exit(await AgentProgram.run(Array(CommandLine.arguments.dropFirst())))
    }
}
