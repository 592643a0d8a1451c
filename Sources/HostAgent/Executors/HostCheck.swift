import Shared

/// `host.check`: answers with the state of the host, so that the way to it and its speed can be
/// tested.
struct HostCheck: Sendable {
    func run(_ work: Work) async throws -> HostStatus {
        await work.host.status()
    }
}
