import Glibc
import Hub

/// The hub's process: the only composition root is `HubCommand`.
@main
struct Main {
    static func main() async {
        exit(await HubCommand.run(arguments: Array(CommandLine.arguments.dropFirst())))
    }
}
