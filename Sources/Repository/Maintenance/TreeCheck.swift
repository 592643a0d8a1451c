/// What one tree refers to and what is wrong with it.
private struct TreeFindings: Sendable {
    var subtrees: [BlobID] = []
    var failures: [RepositoryError] = []
}

extension OpenRepository {
    /// So many trees are read at once.
    private static let treeWidth = 8

    /// Reads every tree that the snapshots reach, once.
    func checkTrees(
        of snapshots: [SnapshotFile], index: RepositoryIndex, into report: inout CheckReport
    ) async throws {
        let source = blobSource(index: index)
        var seen = Set(snapshots.map(\.tree))
        var pending = Array(seen)
        try await withThrowingTaskGroup(of: TreeFindings.self) { group in
            var running = 0
            while running > 0 || !pending.isEmpty {
                while running < Self.treeWidth, let tree = pending.popLast() {
                    running += 1
                    group.addTask { try await checkTree(tree, source: source, index: index) }
                }
                guard let findings = try await group.next() else { break }
                running -= 1
                for failure in findings.failures { report.add(failure) }
                for tree in findings.subtrees where seen.insert(tree).inserted {
                    pending.append(tree)
                }
            }
        }
    }

    @concurrent private func checkTree(
        _ tree: BlobID, source: PackReader, index: RepositoryIndex
    ) async throws -> TreeFindings {
        var findings = TreeFindings()
        let nodes: [Node]
        do {
            nodes = try await TreeWalker(rootTree: tree, source: source).entries(of: tree)
        } catch let error as RepositoryError where error.code != .store {
            findings.failures = [error]
            return findings
        }
        for node in nodes {
            if let subtree = node.subtree { findings.subtrees.append(subtree) }
            guard node.kind == .file else { continue }
            var bytes: UInt64 = 0
            var isWhole = true
            for id in node.content {
                guard let location = index.location(of: id, kind: .data) else {
                    isWhole = false
                    findings.failures.append(
                        RepositoryError(
                            code: .missing(object: "blob \(id)"),
                            message: "data blob \(id) of '\(node.displayName)' in tree \(tree) "
                                + "is in no pack of the index"))
                    continue
                }
                bytes += UInt64(location.blob.plaintextBytes)
            }
            if isWhole, bytes != node.sizeBytes {
                findings.failures.append(
                    RepositoryError.corrupt(
                        "tree \(tree)",
                        "the blobs of '\(node.displayName)' have \(bytes) bytes, the file "
                            + "\(node.sizeBytes)"))
            }
        }
        return findings
    }
}
