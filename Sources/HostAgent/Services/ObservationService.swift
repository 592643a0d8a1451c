import Platform
import Shared

/// Looks at the file system and its volumes every few seconds and reports what has changed.
struct ObservationService: Service {
    /// How often.
    private static let interval = Duration.seconds(5)

    let host: Work.Host

    func run() async throws {
        while true {
            try await ContinuousClock().sleep(for: Self.interval)
            let (before, now) = await host.storage.check()
            switch (before, now) {
            case (.ready, .ready):
                do {
                    try await host.observer.observeAll()
                } catch let failure as Failure {
                    host.logger.warning(
                        "Volumes cannot be looked at.", ["why": .string(failure.message)])
                } catch let error as PlatformError {
                    host.logger.warning(
                        "Volumes cannot be looked at.", ["why": .init(describing: error)])
                }
            case (.trouble, .ready):
                host.logger.info("The file system can be used again.")
                try await StagingCleanup(host: host).recover()
                try await host.observer.reportInventory()
            case (.ready, .trouble(let why)), (.trouble, .trouble(let why)):
                guard before != now else { continue }
                host.logger.error(
                    "The file system cannot be used; nothing is done with it.",
                    ["why": .string(why)])
            }
        }
    }
}
