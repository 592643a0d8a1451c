/// What of a node's power a restore gives back.
public enum RestorePolicy: Sendable, Hashable {
    /// A project's own restore or move: everything, with owners, setuid bits, capabilities and
    /// device nodes.
    case faithful
    /// A copy into another project, or a restore to a directory: everything belongs to this user
    /// and group; setuid and setgid bits, `security.*` and `trusted.*` attributes and device nodes
    /// are left out.
    case foreign(uid: UInt32, gid: UInt32)

    /// The node as it is to be written, or nil where it is left out.
    func apply(to node: Node) -> Node? {
        // A socket is nothing without the process that listens.
        guard node.kind != .socket else { return nil }
        guard case .foreign(let uid, let gid) = self else { return node }
        switch node.kind {
        case .blockDevice, .characterDevice: return nil
        case .file, .directory, .symlink, .fifo, .socket: break
        }
        var foreign = node
        foreign.uid = uid
        foreign.gid = gid
        foreign.mode = node.mode.withoutSetID
        foreign.extendedAttributes.removeAll {
            $0.name.starts(with: "security.".utf8) || $0.name.starts(with: "trusted.".utf8)
        }
        return foreign
    }
}
