/// The second pass over a tree: canonical nodes of everything but the files' contents and the
/// directories' subtrees.
struct Scan: Sendable {
    /// The number of the root directory in events.
    static let root = 0
    /// A step tells about so many entries at most.
    private static let entriesPerStep = 512

    /// A part of what there is to tell.
    struct Batch: Sendable {
        /// What comes next.
        enum End: Sendable { case goesOn, needsHardLinks, complete }

        var events: [ScanEvent] = []
        var end = End.goesOn
    }

    /// What the first pass found, once it is over; needed from the first hard link on.
    private var hardLinks: ScanHardLinks?
    /// The step that waits for it.
    private var pending: FileSystemWalk.Step?
    private var walk: FileSystemWalk
    private var open: [Int] = [Scan.root]
    private var lastDirectory = Scan.root

    /// - Parameter root: the directory whose entries are told.
    init(root: FileSystemDirectory) throws {
        walk = try FileSystemWalk(root: root)
    }

    /// The node that stands for the root itself in a backup.
    static func rootNode(_ root: FileSystemDirectory, name: [UInt8]) throws -> Node {
        var node = plainNode(name: name, status: try root.status())
        node.extendedAttributes = try checked(root.attributes())
        return node
    }

    /// The next events.
    ///
    /// - Parameter hardLinks: what the first pass found, once it is over.
    /// - Throws: `RepositoryError` where the walk itself cannot go on.
    mutating func next(hardLinks: ScanHardLinks?) throws -> Batch {
        self.hardLinks = hardLinks
        var batch = Batch()
        while batch.events.count < Scan.entriesPerStep {
            guard let step = try pending ?? walk.next() else {
                if let last = open.popLast() { batch.events.append(.leave(directory: last)) }
                batch.end = .complete
                break
            }
            pending = nil
            if hardLinks == nil, case .entry(let entry) = step, entry.status.links > 1 {
                pending = step
                batch.end = .needsHardLinks
                break
            }
            tell(step, to: &batch.events)
        }
        return batch
    }

    private mutating func tell(_ step: FileSystemWalk.Step, to events: inout [ScanEvent]) {
        let directory = open.last ?? Scan.root
        switch step {
        case .leave:
            open.removeLast()
            events.append(.leave(directory: directory))
        case .failed(let name, let error):
            events.append(.failed(path: walk.path(of: name), message: "\(error)"))
        case .nested(let entry):
            events.append(
                .nested(
                    directory: directory, node: Scan.nestedNode(name: entry.name),
                    path: walk.path(of: entry.name)))
        case .enter(let entry):
            tellEntry(into: entry, of: directory, to: &events)
        case .entry(let entry):
            do {
                events.append(try complete(entry, in: directory))
            } catch {
                events.append(.failed(path: walk.path(of: entry.name), message: "\(error)"))
            }
        }
    }

    /// What the walk has entered is told as entered even where its attributes cannot be read: its
    /// entries follow.
    private mutating func tellEntry(
        into entry: FileSystemWalk.Entry, of parent: Int, to events: inout [ScanEvent]
    ) {
        lastDirectory += 1
        open.append(lastDirectory)
        var node = Scan.plainNode(name: entry.name, status: entry.status)
        do {
            node = try self.node(of: entry)
        } catch {
            // The walk is inside of it already, so its own path ends with a slash.
            let path = [UInt8](walk.path(of: []).dropLast())
            events.append(.failed(path: path, message: "\(error)"))
        }
        events.append(.enter(directory: lastDirectory, parent: parent, node: node))
    }

    private func complete(
        _ entry: FileSystemWalk.Entry, in directory: Int
    ) throws -> ScanEvent {
        let status = entry.status
        if status.kind == .socket { return .socket(path: walk.path(of: entry.name)) }
        let node = try node(of: entry)
        guard status.kind == .file, status.sizeBytes > 0 else {
            return .entry(directory: directory, node: node)
        }
        return .file(directory: directory, node: node, source: ScanFile(entry))
    }

    private func node(of entry: FileSystemWalk.Entry) throws -> Node {
        let attributes = try entry.parent.attributes(of: entry.name)
        let target =
            entry.status.kind == .symlink ? try entry.parent.linkTarget(of: entry.name) : []
        let group =
            entry.status.kind == .directory
            ? nil : hardLinks?.group(ofInode: entry.status.inode)
        return try Node(
            name: entry.name, status: entry.status, attributes: attributes, linkTarget: target,
            links: group.map { EntryReader.Links(count: $0.links, canonicalInode: $0.inode) })
    }

    static func plainNode(name: [UInt8], status: FileSystemStatus) -> Node {
        Node(
            name: name, kind: status.kind, mode: NodeMode(status: status.mode),
            modified: status.modified, uid: status.uid, gid: status.gid)
    }

    /// A constant, because btrfs shows the place of a subvolume with a time that changes at every
    /// look.
    static func nestedNode(name: [UInt8]) -> Node {
        Node(
            name: name, kind: .directory, mode: NodeMode(status: 0o040_755),
            modified: NodeTime(seconds: 0), uid: 0, gid: 0)
    }

    /// A tree holds attribute names as JSON text, so only UTF-8 survives.
    static func checked(
        _ attributes: [Node.ExtendedAttribute]
    ) throws -> [Node.ExtendedAttribute] {
        guard let bad = attributes.first(where: { !UTF8Sequence.isValid($0.name) }) else {
            return attributes
        }
        throw RepositoryError(
            code: .unsupported,
            message: """
                the extended attribute '\(String(decoding: bad.name, as: UTF8.self))' has a name \
                that is not UTF-8, which the repository format cannot hold
                """)
    }
}

extension Node {
    /// The canonical node of an entry, without a file's content and a directory's subtree.
    ///
    /// - Parameters:
    ///   - name: the raw name.
    ///   - status: what stat(2) says.
    ///   - attributes: ascending by raw name.
    ///   - linkTarget: where a symlink leads; empty for everything else.
    ///   - links: nil where it has one name, and for directories.
    /// - Throws: `RepositoryError` with code `unsupported` where the format cannot hold it.
    public init(
        name: [UInt8], status: FileSystemStatus, attributes: [ExtendedAttribute],
        linkTarget: [UInt8], links: EntryReader.Links?
    ) throws {
        self = Scan.plainNode(name: name, status: status)
        extendedAttributes = try Scan.checked(attributes)
        self.linkTarget = linkTarget
        switch status.kind {
        case .blockDevice, .characterDevice: device = status.specialDevice
        case .file: sizeBytes = UInt64(status.sizeBytes)
        case .symlink, .directory, .fifo, .socket: break
        }
        if let links {
            self.links = links.count
            inode = links.canonicalInode
            deviceID = Node.canonicalDeviceID
        } else if [.file, .symlink, .blockDevice, .characterDevice].contains(status.kind) {
            self.links = 1
        }
    }
}
