/// What a restore would do, as the trees tell: nothing is written for it.
public struct RestorePreview: Sendable, Hashable {
    /// One thing that would be done.
    public struct Change: Sendable, Hashable {
        /// What happens to a path.
        public enum Kind: String, Sendable, Hashable {
            case make, change, remove
        }

        /// What happens.
        public let kind: Kind
        /// Raw, from the volume's root.
        public let path: [UInt8]
        /// The length of a file that is made or changed.
        public let bytes: Int64
    }

    /// So many changes are listed by name; the numbers count all of them.
    public static let changeLimit = 1_000

    /// The first of them, parents first.
    public internal(set) var changes: [Change] = []
    /// Entries that would be made, without those below a directory of the former state that goes.
    public internal(set) var made: Int64 = 0
    /// Entries of which content or metadata would change.
    public internal(set) var changed: Int64 = 0
    /// Entries that would go; a directory counts once.
    public internal(set) var removed: Int64 = 0
    /// Data blobs that would be fetched, each once.
    public internal(set) var blobs: Set<BlobID> = []

    mutating func add(_ kind: Change.Kind, _ path: [[UInt8]], _ bytes: UInt64) {
        switch kind {
        case .make: made += 1
        case .change: changed += 1
        case .remove: removed += 1
        }
        guard changes.count < Self.changeLimit else { return }
        changes.append(
            Change(
                kind: kind, path: [UInt8](path.joined(separator: [UInt8(ascii: "/")])),
                bytes: Int64(clamping: bytes)))
    }
}

extension RestoreDeltaPlan {
    /// The same told to a person.
    var preview: RestorePreview {
        var preview = RestorePreview()
        for difference in differences {
            for step in difference.steps {
                switch step {
                case .remove(let node): preview.add(.remove, difference.path + [node.name], 0)
                case .make(let node):
                    preview.add(.make, difference.path + [node.name], node.sizeBytes)
                    preview.blobs.formUnion(node.content)
                case .rewrite(let former, let node):
                    preview.add(.change, difference.path + [node.name], node.sizeBytes)
                    preview.blobs.formUnion(Set(node.content).subtracting(former.content))
                case .enter(_, let node): preview.add(.change, difference.path + [node.name], 0)
                }
            }
        }
        return preview
    }
}
