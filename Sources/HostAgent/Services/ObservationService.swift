import Btrfs
import Platform
import Shared

/// Looks at the file system and its volumes every few seconds and reports what has changed.
struct ObservationService: Service {
    /// How often.
    private static let interval = Duration.seconds(5)

    let host: Work.Host

    func run() async throws {
        // Where it can be used from the start, the start has cleaned up.
        var isRecovered = host.storage.trouble == nil
        while true {
            try await ContinuousClock().sleep(for: Self.interval)
            let (before, now) = await host.storage.check()
            switch now {
            case .ready:
                isRecovered = try await look(isRecovered: isRecovered)
            case .trouble(let why):
                isRecovered = false
                guard before != now else { continue }
                host.logger.error(
                    "The file system cannot be used; nothing is done with it.",
                    ["why": .string(why)])
            }
        }
    }

    /// Looks at the volumes, or cleans up and tells everything where that was not done yet.
    ///
    /// - Returns: whether that is done.
    private func look(isRecovered: Bool) async throws -> Bool {
        let why: LogValue
        do {
            if isRecovered {
                try await host.observer.observeAll()
            } else {
                host.logger.info("The file system can be used again.")
                try await StagingCleanup(host: host).recover()
                try await host.observer.reportInventory()
            }
            return true
        } catch let failure as Failure {
            why = .string(failure.message)
        } catch let error as PlatformError {
            why = .init(describing: error)
        } catch let error as BtrfsError {
            why = .init(describing: error)
        }
        host.logger.warning("Volumes cannot be looked at.", ["why": why])
        return isRecovered
    }
}
