import Platform
import Shared

/// Reports processes of projects that ended by themselves.
struct RuntimeSupervisor: Service {
    /// How often processes are looked at.
    private static let interval = Duration.milliseconds(500)

    let host: Work.Host

    func run() async throws {
        while true {
            try await ContinuousClock().sleep(for: Self.interval)
            for project in await host.runtimes.collectExits() {
                host.logger.info(
                    "A project's process has ended.", ["project": .init(describing: project)])
                do {
                    try await host.observer.observe(project)
                } catch let failure as Failure {
                    // The file system went away; its return brings an inventory.
                    host.logger.warning(
                        "A volume cannot be looked at.", ["why": .string(failure.message)])
                }
            }
        }
    }
}
