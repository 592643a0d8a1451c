/// A piece of work that a restore's plan hands out.
enum RestoreWork: Sendable {
    /// A directory whose tree is to be read and whose entries are to be made.
    case enter(RestorePlace, node: Node)
    /// What small files need is fetched.
    case fetch(BlobSchedule.Fetch)
    /// Small files, written one after another.
    case files([RestoreFiles])
    /// One file whose chunks are fetched ahead.
    case largeFile(RestorePlace, Node)
    /// A directory whose entries are complete gets its own metadata.
    case finish(RestorePlace, node: Node)
}

/// Files of one directory.
struct RestoreFiles: Sendable {
    let place: RestorePlace
    var nodes: [Node]
}

/// Where a directory is: the nearest one that is open, and the names from there.
struct RestorePlace: Sendable {
    /// The plan's number of the directory.
    let number: Int
    let base: RestoreDirectory
    let names: [[UInt8]]
    /// The way from the target; nil for the target itself.
    let way: RestorePath?

    /// The names from the target.
    var path: [[UInt8]] { way?.names ?? [] }

    /// The path of an entry as text.
    func display(_ name: [UInt8]) -> String {
        String(
            decoding: [UInt8]((path + [name]).joined(separator: [UInt8(ascii: "/")])),
            as: UTF8.self)
    }

    /// The path of the directory itself as text.
    func display() -> String {
        String(decoding: [UInt8](path.joined(separator: [UInt8(ascii: "/")])), as: UTF8.self)
    }

    /// Opens it, step by step below `base`.
    func open() throws -> RestoreDirectory {
        try names.reduce(base) { try $0.descend($1) }
    }
}

/// What became of a piece of work.
enum RestoreResult: Sendable {
    /// The directory is open, and these are its entries.
    case entered(number: Int, RestoreDirectory, [Node])
    /// So many entries of each directory are complete.
    case written([(number: Int, count: Int)])
    case finished(number: Int)
}

/// One more name of a file that has been restored under another.
struct RestoreLink: Sendable {
    /// Names from the target down to the directory, and the name in it.
    let path: [[UInt8]]
    /// The same for the name that exists.
    let original: [[UInt8]]
}
