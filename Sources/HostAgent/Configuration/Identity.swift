import FoundationEssentials
import Platform
import Shared

/// Who this host is to the hub, from enrolment on; `identity.json` in the data directory.
struct Identity: Sendable, Codable, Equatable {
    let host: HostID
    let name: String
    let ledger: LedgerID
    /// The hub history that was seen last.
    var timeline: TimelineID

    /// Reads it.
    ///
    /// - Throws: `AgentError` with code `identity` when this directory never joined.
    static func read(_ directory: DataDirectory) throws -> Identity {
        let bytes: [UInt8]
        do {
            bytes = try DurableFile.read(directory.identity)
        } catch {
            throw AgentError(
                .identity,
                "\(directory.path) has not joined a hub; run berth-agent join --data "
                    + directory.path, cause: error)
        }
        do {
            return try JSON.decode(Identity.self, from: bytes)
        } catch {
            throw AgentError(.identity, "\(directory.identity) is damaged", cause: error)
        }
    }

    /// Writes it, durably.
    func write(_ directory: DataDirectory) throws {
        try DurableFile.write(try JSON.encode(self), to: directory.identity)
    }
}
