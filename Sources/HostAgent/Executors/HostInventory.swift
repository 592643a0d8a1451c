import Shared

/// `host.inventory`: which volumes the host has, as its file system says now.
struct HostInventory: Sendable {
    /// - Throws: `Failure` `host-troubled` while the file system is not certain: an empty list would
    ///   say that nothing is left.
    func run(_ work: Work) async throws -> HostContents {
        let storage = work.host.storage
        let names = try await storage.files().names(in: work.layout.projects)
        // It may have become uncertain while it was looked at.
        guard case .ready = await storage.check().now else {
            throw Failure(
                code: "host-troubled",
                message: storage.trouble ?? "the file system is not certain",
                hint: "see the host's agent log", class: .retryable)
        }
        return HostContents(
            volumes: names.compactMap { ProjectID($0) }.sorted(),
            others: names.filter { ProjectID($0) == nil }.sorted())
    }
}
