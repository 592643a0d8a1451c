import FoundationEssentials
import HTTP
import ObjectStore
import Platform
import Repository
import Shared

/// The repository of one operation, through what the hub grants it: opened for this operation only,
/// the key kept in memory only (D10).
enum RepositoryAccess {
    /// Asks the hub for what the operation may use.
    static func open(_ work: Work) async throws -> OpenRepository {
        let grant = try await work.hub.grants(work.operation, epoch: work.epoch)
        guard grant.mode == .gateway else {
            throw Failure(
                code: "grant-unsupported",
                message: "this agent cannot use grants of mode \(grant.mode.rawValue)",
                hint: "update the agent, or set the bucket's grant mode to gateway")
        }
        let store = GrantedStore(
            client: work.hub.http, url: work.hub.objectsURL(work.operation),
            headers: [
                "Authorization": work.hub.authorization, "Berth-Epoch": String(work.epoch),
            ])
        return OpenRepository(
            store: store, key: try RepositoryKey(SecretBytes(Array(grant.key))),
            polynomial: try ChunkerPolynomial(hex: grant.chunkerPolynomial))
    }
}
