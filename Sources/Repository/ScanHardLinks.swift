import Platform

/// The hard links of a tree: which names belong to one file, and the number that canonical nodes
/// give it.
///
/// An inode number of the file system would differ on every host. The canonical number is the first
/// 63 bits (big-endian) of the SHA-256 of the group's byte-least path from the root.
struct ScanHardLinks: Sendable {
    /// One file with more than one name in the tree.
    struct Group: Sendable, Hashable {
        /// The canonical inode number.
        let inode: UInt64
        /// How many names the tree holds; names outside of it do not count.
        let links: UInt64
    }

    private let groups: [UInt64: Group]

    /// - Parameter names: for each inode of the file system that has more than one link, how many
    ///   names were met and the least of their paths.
    /// - Throws: `RepositoryError` where two groups would get the same number.
    init(names: [UInt64: (links: UInt64, leastPath: [UInt8])]) throws {
        var groups: [UInt64: Group] = [:]
        var taken: Set<UInt64> = []
        for (inode, group) in names where group.links > 1 {
            let canonical = ScanHardLinks.canonicalInode(leastPath: group.leastPath)
            guard taken.insert(canonical).inserted, canonical != 0 else {
                throw RepositoryError(
                    code: .invalidInput,
                    message: """
                        two groups of hard links get the same number; rename \
                        '\(String(decoding: group.leastPath, as: UTF8.self))'
                        """)
            }
            groups[inode] = Group(inode: canonical, links: group.links)
        }
        self.groups = groups
    }

    /// The group of an inode of the file system, or nil where it has one name in the tree.
    func group(ofInode inode: UInt64) -> Group? {
        groups[inode]
    }

    /// The number of a group whose byte-least path from the root, without a leading slash, is
    /// `leastPath`.
    static func canonicalInode(leastPath: [UInt8]) -> UInt64 {
        let first = BlobID(hashing: leastPath).bytes.prefix(8)
        return first.reduce(0) { $0 << 8 | UInt64($1) } >> 1
    }
}
