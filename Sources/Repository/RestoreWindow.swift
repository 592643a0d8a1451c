/// Small files that are known and not yet handed out; enough of them that those whose contents lie
/// side by side in a pack are found, wherever they lie in the volume.
struct RestoreWindow {
    /// So many are gathered, and so much of what is known of them.
    private static let limit = 16_384
    private static let limitBytes = 32 << 20
    private static let filesPerWork = 64
    private static let bytesPerWork: UInt64 = 1 << 20
    /// So much ahead of its use a piece of a pack is fetched.
    private static let leadBytes: UInt64 = 16 << 20

    /// A part of the work; directories by their numbers.
    enum Piece {
        case fetch(BlobSchedule.Fetch)
        case files([(number: Int, nodes: [Node])])
    }

    private(set) var files: [(number: Int, node: Node)] = []
    private var heldBytes = 0

    var isEmpty: Bool { files.isEmpty }
    var isFull: Bool { files.count >= Self.limit || heldBytes >= Self.limitBytes }
    /// What each file needs.
    var contents: [[BlobID]] { files.map(\.node.content) }

    /// Adds a file of the directory with this number.
    mutating func add(_ node: Node, of number: Int) {
        files.append((number, node))
        heldBytes +=
            node.name.count + node.content.count * 32
            + node.extendedAttributes.reduce(0) { $0 + $1.name.count + $1.value.count }
    }

    /// The work, in the schedule's order: files some at a time, those of one directory together, and
    /// what they need before them.
    func pieces(by schedule: BlobSchedule) -> [Piece] {
        var works: [Piece] = []
        var fetches = schedule.fetches[...]
        // How much comes before each position.
        var sums: [UInt64] = [0]
        sums.reserveCapacity(files.count + 1)
        for index in schedule.order {
            sums.append(sums[sums.count - 1] + files[index].node.sizeBytes)
        }
        var start = 0
        while start < schedule.order.count {
            var end = start + 1
            while end < schedule.order.count, end - start < Self.filesPerWork,
                sums[end] - sums[start] < Self.bytesPerWork
            { end += 1 }
            while let fetch = fetches.first, sums[fetch.position] <= sums[end] + Self.leadBytes {
                works.append(.fetch(fetch))
                fetches = fetches.dropFirst()
            }
            var batch: [(number: Int, nodes: [Node])] = []
            var known: [Int: Int] = [:]
            for index in schedule.order[start..<end] {
                let (number, node) = files[index]
                if let position = known[number] {
                    batch[position].nodes.append(node)
                } else {
                    known[number] = batch.count
                    batch.append((number, [node]))
                }
            }
            works.append(.files(batch))
            start = end
        }
        return works
    }
}
