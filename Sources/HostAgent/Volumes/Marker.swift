import Platform
import Shared

/// The marker at the root of the btrfs file system: which file system it is, and whose ledger knows
/// its volumes.
///
/// Where it does not match, what is there is unknown, never empty.
struct Marker: Sendable, Codable, Equatable {
    let filesystem: FilesystemID
    let ledger: LedgerID

    /// Reads it.
    ///
    /// - Throws: `AgentError` with code `storage` when it is missing or damaged.
    static func read(_ layout: VolumeLayout) throws -> Marker {
        let bytes: [UInt8]
        do {
            bytes = try DurableFile.read(layout.marker, limitBytes: 4096)
        } catch {
            throw AgentError(
                .storage,
                "\(layout.root) has no marker \(layout.marker): the file system is not mounted, or "
                    + "is not this agent's; nothing of it is touched", cause: error)
        }
        do {
            return try JSON.decode(Marker.self, from: bytes)
        } catch {
            throw AgentError(.storage, "the marker \(layout.marker) is damaged", cause: error)
        }
    }

    /// Writes it, durably.
    func write(_ layout: VolumeLayout) throws {
        try DurableFile.write(try JSON.encode(self), to: layout.marker)
    }

    /// Compares it with what is mounted and with the ledger.
    ///
    /// - Throws: `AgentError` with code `storage` naming what differs.
    func check(filesystem: FilesystemID, ledger: LedgerID, _ layout: VolumeLayout) throws {
        guard self.filesystem == filesystem else {
            throw AgentError(
                .storage,
                "\(layout.root) is file system \(filesystem.uuid), and its marker is of "
                    + "\(self.filesystem.uuid): it was copied; nothing of it is touched")
        }
        guard self.ledger == ledger else {
            throw AgentError(
                .storage,
                "the volumes on \(layout.root) belong to \(self.ledger), and this agent's is "
                    + "\(ledger): use the data directory that they were made with")
        }
    }
}
