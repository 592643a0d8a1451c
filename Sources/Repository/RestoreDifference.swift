/// What makes one directory of a former state what a backup says it is: a pure comparison of the
/// two lists of nodes.
struct RestoreDifference: Sendable {
    /// What is done with one name.
    enum Step: Sendable, Hashable {
        /// Goes, with everything below it.
        case remove(Node)
        /// Is made; a directory empty, its entries come in a difference of its own.
        case make(Node)
        /// A file with one name, then and now: ranges that differ are written over, where there are
        /// any, and it gets its metadata.
        case rewrite(from: Node, to: Node)
        /// A directory that stays, with something different in it or about it.
        case enter(from: Node, to: Node)
    }

    /// The names from the volume's root.
    let path: [[UInt8]]
    /// What the directory is to be.
    let node: Node
    /// Its entries in the end.
    let nodes: [Node]
    /// The former entries.
    let former: [Node]
    /// Ascending by name, a removal before what takes the name.
    private(set) var steps: [Step] = []

    /// - Parameters:
    ///   - former: ascending by name; empty for a directory that is made anew.
    ///   - nodes: ascending by name.
    init(path: [[UInt8]], node: Node, former: [Node], nodes: [Node]) {
        self.path = path
        self.node = node
        self.former = former
        self.nodes = nodes
        var (left, right) = (former[...], nodes[...])
        while let step = Self.next(&left, &right) { steps += step }
    }

    /// Takes the next name off both lists; nil at their end.
    private static func next(
        _ left: inout ArraySlice<Node>, _ right: inout ArraySlice<Node>
    ) -> [Step]? {
        guard let new = right.first else { return left.popFirst().map { [.remove($0)] } }
        guard let old = left.first, !new.name.lexicographicallyPrecedes(old.name) else {
            right.removeFirst()
            return [.make(new)]
        }
        left.removeFirst()
        guard old.name == new.name else { return [.remove(old)] }
        right.removeFirst()
        if old == new { return [] }
        if old.kind == .directory, new.kind == .directory { return [.enter(from: old, to: new)] }
        // What has other names too must not be written over.
        if old.kind == .file, new.kind == .file, old.links <= 1, new.links <= 1 {
            return [.rewrite(from: old, to: new)]
        }
        return [.remove(old), .make(new)]
    }

    /// Makes a name anew that both states have alike, because the file that it belongs to is made
    /// anew.
    mutating func remake(_ node: Node) {
        steps.removeAll {
            switch $0 {
            case .remove(let other), .make(let other): other.name == node.name
            case .rewrite, .enter: false
            }
        }
        if let old = former.first(where: { $0.name == node.name }) { steps.append(.remove(old)) }
        steps.append(.make(node))
    }
}

/// The hard links that a restore on top of a former state has to make.
///
/// All names of a file carry its number and how many names there are, so a group that gains or loses
/// a name differs at every one of them: all of its directories are among the differences. Only
/// where one name goes and another comes can names lie in directories that are equal; then the
/// file itself must stay, and one that goes leads to it.
struct RestoreLinkPlan: Sendable {
    struct Key: Hashable, Sendable {
        let inode: UInt64
        let device: UInt64

        /// nil where the node has one name.
        init?(_ node: Node) {
            guard node.links > 1, node.inode != 0 else { return nil }
            (inode, device) = (node.inode, node.deviceID)
        }
    }

    /// A file that stays although names of it go: found by a former name, before that goes.
    struct Kept: Sendable {
        let former: [[UInt8]]
        /// The names that it gets.
        var names: [[[UInt8]]]
    }

    /// A file that is made under its first name.
    struct Made: Sendable {
        let original: [[UInt8]]
        let node: Node
        var names: [[[UInt8]]] = []
    }

    private(set) var kept: [Kept] = []
    private(set) var made: [Made] = []

    /// A name of the former state.
    private struct Former {
        /// Its directory among the differences; nil for one that goes as a whole.
        let place: Int?
        let path: [[UInt8]]
        let node: Node
    }

    /// - Parameters:
    ///   - differences: steps of names that belong to a file with several are taken out, or put in
    ///     where the file is made anew.
    ///   - gone: what lies below directories that go as a whole, by its path.
    /// - Throws: `RepositoryError` where a file has names that nothing leads to.
    init(
        _ differences: inout [RestoreDifference], gone: [(path: [[UInt8]], node: Node)]
    ) throws {
        var names: [Key: [(place: Int, node: Node)]] = [:]
        var former: [Key: [Former]] = [:]
        for (place, difference) in differences.enumerated() {
            for node in difference.nodes {
                if let key = Key(node) { names[key, default: []].append((place, node)) }
            }
            for node in difference.former {
                guard let key = Key(node) else { continue }
                former[key, default: []].append(
                    Former(place: place, path: difference.path + [node.name], node: node))
            }
        }
        for (path, node) in gone {
            guard let key = Key(node) else { continue }
            former[key, default: []].append(Former(place: nil, path: path, node: node))
        }
        for (key, wanted) in names.sorted(by: { $0.key.inode < $1.key.inode }) {
            let before = former[key] ?? []
            func path(_ entry: (place: Int, node: Node)) -> [[UInt8]] {
                differences[entry.place].path + [entry.node.name]
            }
            func isThere(_ entry: (place: Int, node: Node)) -> Bool {
                before.contains { $0.place == entry.place && $0.node == entry.node }
            }
            if wanted.allSatisfy(isThere) { continue }
            guard let first = wanted.first, UInt64(wanted.count) <= first.node.links else {
                throw Self.unknown
            }
            if UInt64(wanted.count) == first.node.links {
                var file = Made(original: path(first), node: first.node)
                for entry in wanted {
                    differences[entry.place].remake(entry.node)
                    if path(entry) != file.original { file.names.append(path(entry)) }
                }
                made.append(file)
            } else {
                guard let before = before.first else { throw Self.unknown }
                var file = Kept(former: before.path, names: [])
                for entry in wanted where !isThere(entry) { file.names.append(path(entry)) }
                kept.append(file)
            }
        }
    }

    private static var unknown: RepositoryError {
        RepositoryError(
            code: .verificationFailed, message: "hard links whose other names are not known")
    }
}
