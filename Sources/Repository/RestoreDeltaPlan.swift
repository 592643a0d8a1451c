/// What differs between two backups, directory by directory, found by their trees alone.
struct RestoreDeltaPlan: Sendable {
    /// A file that is made or written over.
    struct File: Sendable {
        /// The names of its directory.
        let directory: [[UInt8]]
        /// nil for one that is made.
        let former: Node?
        let node: Node

        var isSmall: Bool { node.sizeBytes <= RestorePlan.smallFileLimitBytes }
    }

    private static let depthLimit = 4_096

    /// Directories that differ in their entries, each behind the one that it is in.
    private(set) var differences: [RestoreDifference] = []
    private(set) var root: Node
    private var made: [RestoreLinkPlan.Made] = []

    /// Compares; subtrees with equal ids are not read.
    ///
    /// - Parameter former: nil compares with an empty volume.
    /// - Throws: `RepositoryError`; `limitExceeded` where too much differs.
    init(from former: BlobID?, to rootTree: BlobID, source: any BlobSource) async throws {
        root = try await TreeWalker(rootTree: rootTree, source: source).volume()
        var before: Node?
        if let former {
            before = try await TreeWalker(rootTree: former, source: source).volume()
        }
        var level = [Pair(path: [], former: before, node: root)]
        while !level.isEmpty {
            try Task.checkCancellation()
            guard differences.count + level.count <= RestoreDelta.directoryLimit,
                level[0].path.count <= Self.depthLimit
            else {
                throw RepositoryError(
                    code: .limitExceeded,
                    message: "more than \(RestoreDelta.directoryLimit) directories differ")
            }
            let nodes = try await Self.load(level, source)
            var next: [Pair] = []
            for (pair, entries) in zip(level, nodes) {
                let difference = RestoreDifference(
                    path: pair.path, node: pair.node, former: entries.former, nodes: entries.now)
                next += Self.below(difference)
                differences.append(difference)
            }
            level = next
        }
    }

    private struct Pair: Sendable {
        let path: [[UInt8]]
        let former: Node?
        let node: Node
    }

    /// The entries of both sides of each pair, fetched together.
    private static func load(
        _ level: [Pair], _ source: any BlobSource
    ) async throws -> [(former: [Node], now: [Node])] {
        let ids = level.flatMap { [$0.former?.subtree, $0.node.subtree].compactMap { $0 } }
        let trees = Array(Set(ids)).sorted()
        let loaded = try await source.load(trees, kind: .tree)
        var nodes: [BlobID: [Node]] = [:]
        for (tree, json) in zip(trees, loaded) {
            do {
                nodes[tree] = try TreeDecoder.decode(json)
            } catch {
                throw RepositoryError(
                    code: error.code, message: "tree \(tree.hex) cannot be read", cause: error)
            }
        }
        return level.map { pair in
            (
                pair.former?.subtree.flatMap { nodes[$0] } ?? [],
                pair.node.subtree.flatMap { nodes[$0] } ?? []
            )
        }
    }

    private static func below(_ difference: RestoreDifference) -> [Pair] {
        difference.steps.compactMap { step in
            switch step {
            case .enter(let former, let node) where former.subtree != node.subtree:
                Pair(path: difference.path + [node.name], former: former, node: node)
            case .make(let node) where node.kind == .directory:
                Pair(path: difference.path + [node.name], former: nil, node: node)
            case .remove, .make, .rewrite, .enter: nil
            }
        }
    }

    /// Decides about files with several names; their steps change with it.
    ///
    /// Directories that go as a whole are read only where such a file has names in equal ones.
    mutating func takeLinks(_ source: any BlobSource) async throws -> RestoreLinkPlan {
        var decided = differences
        let links: RestoreLinkPlan
        do {
            links = try RestoreLinkPlan(&decided, gone: [])
        } catch is RepositoryError {
            decided = differences
            links = try RestoreLinkPlan(&decided, gone: try await gone(source))
        }
        differences = decided
        made = links.made
        return links
    }

    /// What lies below the directories that go as a whole, by its path.
    private func gone(_ source: any BlobSource) async throws -> [(path: [[UInt8]], node: Node)] {
        var level = differences.flatMap { difference in
            difference.steps.compactMap { step -> (path: [[UInt8]], node: Node)? in
                guard case .remove(let node) = step, node.kind == .directory else { return nil }
                return (difference.path + [node.name], node)
            }
        }
        var found: [(path: [[UInt8]], node: Node)] = []
        var count = 0
        while !level.isEmpty {
            count += level.count
            guard count <= RestoreDelta.directoryLimit, level[0].path.count <= Self.depthLimit
            else {
                throw RepositoryError(
                    code: .limitExceeded,
                    message: "more than \(RestoreDelta.directoryLimit) directories go")
            }
            let trees = try await source.load(level.compactMap(\.node.subtree), kind: .tree)
            var next: [(path: [[UInt8]], node: Node)] = []
            for (directory, json) in zip(level.filter { $0.node.subtree != nil }, trees) {
                for node in try TreeDecoder.decode(json) {
                    let entry = (path: directory.path + [node.name], node: node)
                    if node.kind == .directory { next.append(entry) } else { found.append(entry) }
                }
            }
            level = next
        }
        return found
    }

    var stepCount: Int { differences.reduce(0) { $0 + $1.steps.count } }

    /// The files, one whose names are several once.
    var files: [File] {
        var files: [File] = []
        for difference in differences {
            for step in difference.steps {
                switch step {
                case .make(let node) where node.kind == .file && RestoreLinkPlan.Key(node) == nil:
                    files.append(File(directory: difference.path, former: nil, node: node))
                case .rewrite(let former, let node):
                    files.append(File(directory: difference.path, former: former, node: node))
                case .make, .remove, .enter: break
                }
            }
        }
        for file in made {
            files.append(
                File(directory: file.original.dropLast(), former: nil, node: file.node))
        }
        return files
    }

    /// What is written, as far as the trees tell.
    var summary: RestoreSummary {
        var summary = RestoreSummary()
        for step in differences.lazy.flatMap(\.steps) {
            switch step {
            case .remove: break
            case .enter: summary.directories += 1
            case .make(let node), .rewrite(_, let node):
                switch node.kind {
                case .file:
                    summary.files += 1
                    summary.bytes += Int64(clamping: node.sizeBytes)
                case .directory: summary.directories += 1
                case .symlink, .blockDevice, .characterDevice, .fifo, .socket: summary.others += 1
                }
            }
        }
        return summary
    }
}

extension RestoreDifference {
    /// The names of what is made: it is read back as a whole.
    var made: Set<[UInt8]> {
        Set(
            steps.compactMap {
                if case .make(let node) = $0 { node.name } else { nil }
            })
    }
}
