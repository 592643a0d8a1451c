import CPlatform
import Glibc
import Platform

/// Writes over the ranges of a file that differ from what it held.
///
/// The file is part of a snapshot: what is not written stays shared with what it was taken from.
struct RestoreRewrite: Sendable {
    /// A chunk of the file as it is to be.
    struct Piece: Sendable, Hashable {
        let id: BlobID
        let range: Range<Int64>
    }

    /// The chunks that are to be written, ascending.
    let pieces: [Piece]
    let formerBytes: Int64
    let sizeBytes: Int64

    /// - Parameter length: how long a chunk is; where it is not known of the former ones, nothing is
    ///   taken to be equal behind it.
    /// - Throws: `RepositoryError` where the chunks do not make up the file.
    init(from old: Node, to new: Node, length: (BlobID) -> Int?) throws {
        formerBytes = Int64(clamping: old.sizeBytes)
        sizeBytes = Int64(clamping: new.sizeBytes)
        var held: [Int64: Piece] = [:]
        for piece in Self.pieces(of: old, length) { held[piece.range.lowerBound] = piece }
        let wanted = Self.pieces(of: new, length)
        guard (wanted.last?.range.upperBound ?? 0) == sizeBytes else {
            throw RepositoryError.corrupt(
                "the tree", "the chunks of '\(new.displayName)' are not as long as it is")
        }
        pieces = wanted.filter { held[$0.range.lowerBound] != $0 }
    }

    /// A file's chunks with their places, up to the first whose length is not known.
    private static func pieces(of node: Node, _ length: (BlobID) -> Int?) -> [Piece] {
        var pieces: [Piece] = []
        var offset: Int64 = 0
        for id in node.content {
            guard let count = length(id), count > 0 else { break }
            pieces.append(Piece(id: id, range: offset..<offset + Int64(count)))
            offset += Int64(count)
        }
        return pieces
    }

    /// Opens the file, which must be a file with no other name and of the former length.
    ///
    /// - Throws: `RepositoryError` `verificationFailed` where it is something else.
    func open(_ name: [UInt8], in directory: RestoreDirectory) throws -> OpenFile {
        let file = OpenFile(try directory.openFile(name))
        let status = try file.withNumber { try FileSystemStatus(ofFile: $0) }
        guard status.kind == .file, status.links == 1, status.sizeBytes == formerBytes else {
            throw RepositoryError(
                code: .verificationFailed,
                message: "'\(String(decoding: name, as: UTF8.self))' is not what it was")
        }
        return file
    }

    /// Cuts off what is behind the end, or makes room.
    func resize(_ file: Int32) throws {
        guard sizeBytes != formerBytes else { return }
        try systemCall("ftruncate") { ftruncate(file, Int(sizeBytes)) }
    }

    /// Writes a chunk in its place; whole blocks of zeros become holes.
    func write(_ chunk: [UInt8], at piece: Piece, to file: Int32) throws {
        guard chunk.count == piece.range.count else {
            throw RepositoryError.corrupt(
                "blob \(piece.id)", "of another length than the index has")
        }
        for part in ZeroBlocks(chunk, at: piece.range.lowerBound) {
            let start = piece.range.lowerBound + Int64(part.range.lowerBound)
            if part.isZero {
                // Beyond the former end there is nothing yet.
                guard start < formerBytes else { continue }
                try systemCall("fallocate") {
                    berth_punch_hole(file, start, Int64(part.range.count))
                }
                continue
            }
            var done = part.range.lowerBound
            while done < part.range.upperBound {
                done += try unsafe chunk.withUnsafeBytes { bytes in
                    try systemCall("write") {
                        unsafe pwrite(
                            file, bytes.baseAddress.map { unsafe $0 + done },
                            part.range.upperBound - done,
                            Int(piece.range.lowerBound) + done)
                    }
                }
            }
        }
    }
}
