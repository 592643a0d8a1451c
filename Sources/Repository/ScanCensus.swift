/// The first pass over a tree: how much there is, and which names are hard links of one file.
///
/// No single pass could number the hard links. It reads no file.
struct ScanCensus: Sendable {
    private(set) var entries: Int64 = 0
    private(set) var fileBytes: Int64 = 0
    let hardLinks: ScanHardLinks

    /// Walks everything below `root`.
    ///
    /// - Throws: `PlatformError` where the root cannot be read; entries below it that cannot are
    ///   left to the second pass to report.
    init(root: FileSystemDirectory, isCancelled: () -> Bool) throws {
        var walk = try FileSystemWalk(root: root)
        var names: [UInt64: (links: UInt64, leastPath: [UInt8])] = [:]
        while let step = try walk.next() {
            guard case .entry(let entry) = step else {
                if isCancelled() { throw CancellationError() }
                continue
            }
            entries += 1
            if entry.status.kind == .file { fileBytes += entry.status.sizeBytes }
            guard entry.status.links > 1 else { continue }
            let path = walk.path(of: entry.name)
            if let known = names[entry.status.inode] {
                let least =
                    path.lexicographicallyPrecedes(known.leastPath) ? path : known.leastPath
                names[entry.status.inode] = (known.links + 1, least)
            } else {
                names[entry.status.inode] = (1, path)
            }
        }
        hardLinks = try ScanHardLinks(names: names)
    }
}
