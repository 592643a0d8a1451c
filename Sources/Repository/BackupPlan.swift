/// The decisions of a backup: what is to be read next, and which directory is complete.
///
/// It does nothing itself: events and results go in, work comes out.
///
/// It holds the entries of the directories that are not complete: those on the way down, and those
/// whose files are still being read, of which the caller bounds the number by not scanning on while
/// there is a backlog.
struct BackupPlan {
    /// Files up to this size are read whole, several in one piece of work.
    static let smallFileLimitBytes: Int64 = 4 << 20
    private static let filesPerWork = 128
    private static let bytesPerWork: Int64 = 4 << 20
    /// Each directory with a file that is waiting stays open.
    private static let directoriesPerWork = 32

    /// The number of no directory.
    private static let nobody = -1

    private struct Directory {
        let parent: BackupSlot?
        var nodes: [Node] = []
        var failed: Set<Int> = []
        /// Entries that wait for a content or a subtree, and one for the scan itself.
        var waiting = 1
    }

    private enum LinkedContent {
        case waiting([BackupSlot])
        case known(BackupContent)
    }

    private var directories: [Int: Directory] = [Scan.root: Directory(parent: nil)]
    private var linked: [UInt64: LinkedContent] = [:]
    private var smallFiles: [BackupFile] = []
    private var smallBytes: Int64 = 0
    private var smallDirectories: Set<Int> = []
    private var readyFiles: [BackupWork] = []
    private var largeFiles: [BackupFile] = []
    private var trees: [BackupTree] = []
    private(set) var summary: BackupSummary
    /// The tree of the root's content, once it is known.
    private(set) var content: BlobID?

    init() {
        summary = BackupSummary(rootTree: BlobID(hashing: []))
    }

    /// How many pieces of work wait to be handed out.
    var backlog: Int { readyFiles.count + largeFiles.count + trees.count / 8 }

    /// The next piece of work, or nil while there is none.
    ///
    /// - Parameters:
    ///   - allowsLargeFile: whether one more stream may be read.
    ///   - isScanComplete: whether no more events come, so that a part of a piece is handed out.
    mutating func nextWork(allowsLargeFile: Bool, isScanComplete: Bool) -> BackupWork? {
        if !trees.isEmpty {
            defer { trees.removeAll() }
            return .trees(trees)
        }
        if allowsLargeFile, !largeFiles.isEmpty { return .largeFile(largeFiles.removeFirst()) }
        if isScanComplete { closePiece() }
        return readyFiles.isEmpty ? nil : readyFiles.removeFirst()
    }

    mutating func handle(_ event: ScanEvent) {
        switch event {
        case .enter(let directory, let parent, let node):
            summary.directories += 1
            let slot = append(node, to: parent, isWaiting: true)
            directories[directory] = Directory(parent: slot)
        case .leave(let directory): settle(directory)
        case .entry(let directory, let node):
            if node.kind == .file { summary.files += 1 } else { summary.others += 1 }
            _ = append(node, to: directory, isWaiting: false)
        case .file(let directory, let node, let source):
            summary.files += 1
            summary.bytes += source.sizeBytes
            let slot = append(node, to: directory, isWaiting: true)
            request(BackupFile(slot: slot, source: source), links: node.links)
        case .nested(let directory, let node, let path):
            summary.directories += 1
            summary.nestedSubvolumes.append(path)
            var empty = node
            empty.subtree = BlobID(hashing: TreeEncoder.encode([]))
            _ = append(empty, to: directory, isWaiting: false)
            // The empty tree is a blob too, which must be there.
            trees.append(BackupTree(directory: BackupPlan.nobody, nodes: []))
        case .socket: summary.skippedSockets += 1
        case .failed(let path, let message):
            summary.add(BackupSummary.Issue(path: path, message: message))
        }
    }

    mutating func handle(_ result: BackupResult) {
        switch result {
        case .files(let files):
            for (file, content) in files { complete(file, with: content) }
        case .trees(let trees):
            for tree in trees { complete(directory: tree.directory, with: tree.tree) }
        }
    }

    private mutating func append(
        _ node: Node, to directory: Int, isWaiting: Bool
    ) -> BackupSlot {
        let index = directories[directory]?.nodes.count ?? 0
        directories[directory]?.nodes.append(node)
        if isWaiting { directories[directory]?.waiting += 1 }
        return BackupSlot(directory: directory, index: index)
    }

    /// Asks for a file's content, once for all its hard links.
    private mutating func request(_ file: BackupFile, links: UInt64) {
        if links > 1 {
            switch linked[file.source.inode] {
            case .known(let content): return fill(file.slot, with: content)
            case .waiting(let slots):
                linked[file.source.inode] = .waiting(slots + [file.slot])
                return
            case nil: linked[file.source.inode] = .waiting([file.slot])
            }
        }
        guard file.source.sizeBytes <= BackupPlan.smallFileLimitBytes else {
            return largeFiles.append(file)
        }
        smallFiles.append(file)
        smallBytes += file.source.sizeBytes
        smallDirectories.insert(file.slot.directory)
        if smallFiles.count >= BackupPlan.filesPerWork || smallBytes >= BackupPlan.bytesPerWork
            || smallDirectories.count >= BackupPlan.directoriesPerWork
        {
            closePiece()
        }
    }

    private mutating func closePiece() {
        guard !smallFiles.isEmpty else { return }
        readyFiles.append(.files(smallFiles))
        smallFiles = []
        smallBytes = 0
        smallDirectories = []
    }

    private mutating func complete(_ file: BackupFile, with content: BackupContent) {
        guard case .waiting(let slots) = linked[file.source.inode] else {
            return fill(file.slot, with: content)
        }
        linked[file.source.inode] = .known(content)
        for slot in slots { fill(slot, with: content) }
    }

    private mutating func fill(_ slot: BackupSlot, with content: BackupContent) {
        switch content {
        case .chunks(let ids): directories[slot.directory]?.nodes[slot.index].content = ids
        case .failed(let message):
            directories[slot.directory]?.failed.insert(slot.index)
            summary.add(BackupSummary.Issue(path: path(of: slot), message: message))
        }
        settle(slot.directory)
    }

    /// One thing less that the directory waits for.
    private mutating func settle(_ number: Int) {
        directories[number]?.waiting -= 1
        guard let directory = directories[number], directory.waiting == 0 else { return }
        let nodes =
            directory.failed.isEmpty
            ? directory.nodes
            : directory.nodes.indices.filter { !directory.failed.contains($0) }
                .map { directory.nodes[$0] }
        trees.append(BackupTree(directory: number, nodes: nodes))
        directories[number]?.nodes = []
    }

    private mutating func complete(directory number: Int, with tree: BlobID) {
        guard let directory = directories.removeValue(forKey: number) else { return }
        guard let slot = directory.parent else {
            content = tree
            return
        }
        directories[slot.directory]?.nodes[slot.index].subtree = tree
        settle(slot.directory)
    }

    private func path(of slot: BackupSlot) -> [UInt8] {
        var names: [[UInt8]] = []
        var next: BackupSlot? = slot
        while let slot = next, let directory = directories[slot.directory] {
            names.append(directory.nodes[slot.index].name)
            next = directory.parent
        }
        return [UInt8](names.reversed().joined(separator: [UInt8(ascii: "/")]))
    }
}
