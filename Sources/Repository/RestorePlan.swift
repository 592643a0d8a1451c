/// The decisions of a restore: what is made next, and which directory is complete.
///
/// It does nothing itself: results go in, work comes out.
struct RestorePlan {
    /// The number of the target.
    static let root = 0
    /// Files up to this size are written several at a time.
    static let smallFileLimitBytes: UInt64 = 4 << 20
    /// No file of that size has more, unless its tree lies.
    private static let smallFileChunks = Int(smallFileLimitBytes) / Chunker.minimumBytes + 1
    private static let depthLimit = 4_096
    /// So much work waits to be handed out before more is looked for.
    private static let backlogLimit = 48
    /// So many directories stay open.
    private static let openLimit = 256

    private struct Directory {
        let parent: Int?
        let depth: Int
        /// nil for the target.
        let way: RestorePath?
        /// nil for a target that keeps its own metadata.
        let node: Node?
        var waiting = 0
    }

    private struct LinkKey: Hashable {
        let inode: UInt64
        let device: UInt64
    }

    private struct Original {
        let path: [[UInt8]]
        let node: Node
    }

    private let policy: RestorePolicy
    private let target: RestoreDirectory
    private var directories: [Int: Directory] = [:]
    private var opened: [Int: RestoreDirectory] = [:]
    private var openOrder: [Int] = []
    private var lastNumber = RestorePlan.root
    /// Directories to be entered, the next one last.
    private var unentered: [(number: Int, node: Node)] = []
    /// Small files that wait until enough are known.
    private var window = RestoreWindow()
    private var files: ArraySlice<RestoreWindow.Piece> = []
    private var largeFiles: ArraySlice<RestoreWork> = []
    private var finishing: [RestoreWork] = []
    private var originals: [LinkKey: Original] = [:]
    private(set) var links: [RestoreLink] = []
    /// Every directory, in the order in which they were complete, where they are to be proved.
    private(set) var complete: [RestoreProof.Directory] = []
    private let proves: Bool
    private(set) var isFinished = false
    private(set) var summary = RestoreSummary()

    /// - Parameters:
    ///   - target: the directory that everything goes into.
    ///   - node: what the target itself becomes, or nil where it stays as it is.
    ///   - proves: whether what is complete is noted.
    init(target: RestoreDirectory, node: Node?, policy: RestorePolicy, proves: Bool = false) {
        self.policy = policy
        self.target = target
        self.proves = proves
        directories[RestorePlan.root] = Directory(
            parent: nil, depth: 0, way: nil, node: node.flatMap(policy.apply))
        opened[RestorePlan.root] = target
    }

    /// The next piece of work, or nil while there is none.
    ///
    /// - Parameter allowsEntering: whether one more directory may be entered, which brings more
    ///   files.
    mutating func nextWork(allowsLargeFile: Bool, allowsEntering: Bool) -> RestoreWork? {
        if let work = finishing.popLast() { return work }
        if allowsEntering, !window.isFull, largeFiles.count < Self.backlogLimit,
            let (number, node) = unentered.popLast()
        {
            return .enter(place(number), node: node)
        }
        if allowsLargeFile, let work = largeFiles.popFirst() { return work }
        switch files.popFirst() {
        case nil: return nil
        case .fetch(let fetch): return .fetch(fetch)
        case .files(let batch):
            // Only now: a place holds a directory open.
            return .files(batch.map { RestoreFiles(place: place($0.number), nodes: $0.nodes) })
        }
    }

    /// The small files that are handed out next, to be given back with a schedule: when enough are
    /// known, or no more come.
    mutating func takeWindow(isEntering: Bool) -> RestoreWindow? {
        guard files.count < Self.backlogLimit,
            window.isFull || (!window.isEmpty && unentered.isEmpty && !isEntering)
        else { return nil }
        defer { window = RestoreWindow() }
        return window
    }

    /// Hands the files out as scheduled.
    mutating func add(_ window: RestoreWindow, by schedule: BlobSchedule) {
        files += window.pieces(by: schedule)
    }

    /// Adds the entries of a directory that is open; subdirectories, symlinks and special files
    /// have been made already.
    ///
    /// - Returns: how much came to be known, for progress.
    /// - Throws: `RepositoryError` beyond the limit of depth.
    mutating func add(
        _ nodes: [Node], to number: Int, opened directory: RestoreDirectory
    ) throws -> (entries: Int64, done: Int64, bytes: Int64) {
        keep(directory, for: number)
        let depth = directories[number]?.depth ?? 0
        let place = place(number)
        var subdirectories: [(number: Int, node: Node)] = []
        var waiting = 0
        var (entries, done, bytes): (Int64, Int64, Int64) = (0, 0, 0)
        for node in nodes {
            guard let kept = kept(node) else { continue }
            if kept.kind == .directory {
                guard depth < RestorePlan.depthLimit else { throw tooDeep }
                lastNumber += 1
                directories[lastNumber] = Directory(
                    parent: number, depth: depth + 1,
                    way: RestorePath(kept.name, in: place.way), node: kept)
                subdirectories.append((lastNumber, kept))
                summary.directories += 1
                waiting += 1
                continue
            }
            entries += 1
            // Anything but a file was made when the directory was entered, unless it has more names.
            if isLink(kept, in: number) || (kept.kind != .file && kept.links <= 1) {
                done += 1
                continue
            }
            bytes += Int64(clamping: kept.sizeBytes)
            waiting += 1
            if kept.sizeBytes > RestorePlan.smallFileLimitBytes
                || kept.content.count > RestorePlan.smallFileChunks
            {
                largeFiles.append(.largeFile(place, kept))
                continue
            }
            window.add(kept, of: number)
        }
        // The first of them is entered next, so that packs are read in the order of their writing.
        unentered += subdirectories.reversed()
        directories[number]?.waiting = waiting
        if waiting == 0 { settle(number, count: 0) }
        return (entries, done, bytes)
    }

    /// Entries of a directory are complete.
    mutating func settle(_ number: Int, count: Int) {
        directories[number]?.waiting -= count
        guard let directory = directories[number], directory.waiting == 0 else { return }
        if let node = directory.node {
            finishing.append(.finish(place(number), node: node))
        } else {
            finish(number)
        }
    }

    /// A directory has its metadata.
    mutating func finish(_ number: Int) {
        if proves, let tree = directories[number]?.node?.subtree {
            complete.append(RestoreProof.Directory(way: directories[number]?.way, tree: tree))
        }
        guard let directory = directories.removeValue(forKey: number) else { return }
        opened[number] = nil
        if let parent = directory.parent {
            settle(parent, count: 1)
        } else {
            isFinished = true
        }
    }

    /// The names from the target to an entry of a directory.
    func path(of name: [UInt8], in number: Int) -> [[UInt8]] {
        RestorePath(name, in: directories[number]?.way).names
    }

    private var tooDeep: RepositoryError {
        RepositoryError(
            code: .limitExceeded,
            message: "more than \(RestorePlan.depthLimit) directories inside each other")
    }

    /// The node as the policy wants it, or nil where it is left out.
    private mutating func kept(_ node: Node) -> Node? {
        guard let kept = policy.apply(to: node) else {
            summary.leftOut += 1
            return nil
        }
        switch kept.kind {
        case .file:
            summary.files += 1
            summary.bytes += Int64(clamping: kept.sizeBytes)
        case .symlink, .blockDevice, .characterDevice, .fifo: summary.others += 1
        case .directory, .socket: break
        }
        return kept
    }

    /// Whether the node is one more name of something that is restored already; it is then noted.
    private mutating func isLink(_ node: Node, in number: Int) -> Bool {
        guard node.links > 1, node.inode != 0 else { return false }
        let key = LinkKey(inode: node.inode, device: node.deviceID)
        let path = path(of: node.name, in: number)
        guard let original = originals[key] else {
            originals[key] = Original(path: path, node: node)
            return false
        }
        guard Self.isSameFile(original.node, node) else { return false }
        links.append(RestoreLink(path: path, original: original.path))
        return true
    }

    /// A file that was changed between the looks at two of its names is restored twice.
    static func isSameFile(_ left: Node, _ right: Node) -> Bool {
        left.kind == right.kind && left.content == right.content
            && left.linkTarget == right.linkTarget && left.device == right.device
    }

    private mutating func keep(_ directory: RestoreDirectory, for number: Int) {
        guard number != RestorePlan.root else { return }
        if opened.updateValue(directory, forKey: number) == nil { openOrder.append(number) }
        while openOrder.count > RestorePlan.openLimit {
            opened[openOrder.removeFirst()] = nil
        }
    }

    private func place(_ number: Int) -> RestorePlace {
        var names: [[UInt8]] = []
        var next = number
        while opened[next] == nil, let directory = directories[next],
            let parent = directory.parent
        {
            names.append(directory.node?.name ?? [])
            next = parent
        }
        return RestorePlace(
            number: number, base: opened[next] ?? target, names: names.reversed(),
            way: directories[number]?.way)
    }
}
