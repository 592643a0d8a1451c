import Platform

/// What new files get from where they are made, found out once for a whole restore.
struct RestoreSurroundings: Sendable, Hashable {
    /// Whether the target gives attributes to what is made in it: then those that a node does not
    /// have are removed.
    let passAttributesOn: Bool
    /// The permissions that the process masks (umask(2)); nil where that is not known.
    let mask: UInt32?

    /// - Parameter isIsolating: whether it is taken for granted that directories pass attributes on,
    ///   because they have their metadata already.
    init(target: RestoreDirectory, isIsolating: Bool = false) throws {
        passAttributesOn = try isIsolating || target.passesAttributesOn()
        mask = Self.processMask()
    }

    /// Whether a file that is made for the node has its mode at once, so that fchmod(2) need not be
    /// called.
    func givesModeToNewFile(_ node: Node) -> Bool {
        guard let mask, !passAttributesOn else { return false }
        // A change of the owner takes setuid bits away.
        return node.mode.permissions <= 0o777 && node.mode.permissions & mask == 0
    }

    /// The permissions that a file is made with.
    func permissionsOfNewFile(_ node: Node) -> UInt32 {
        givesModeToNewFile(node) ? node.mode.permissions : 0o600
    }

    /// `Umask` of proc_pid_status(5): asking by umask(2) would change it for a moment.
    private static func processMask() -> UInt32? {
        // Without it every mode is set by a call of its own.
        guard let status = try? DurableFile.read("/proc/self/status", limitBytes: 1 << 16) else {
            return nil
        }
        for line in status.split(separator: UInt8(ascii: "\n"))
        where line.starts(with: "Umask:".utf8) {
            let digits = line.dropFirst(6).filter { $0 >= 0x30 && $0 <= 0x37 }
            return digits.reduce(0) { $0 << 3 | UInt32($1 - 0x30) }
        }
        return nil
    }
}
