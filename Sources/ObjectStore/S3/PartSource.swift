import Platform

/// The parts of a large body, one after another: each in memory, all of one size but the last.
final class PartSource: @unchecked Sendable {
    // Sendable because one task uses it: each call is awaited before the next begins.
    private let upload: S3Upload
    private let partBytes: Int
    private var file: SourceFile?
    private var position = 0
    private var rest: [UInt8] = []
    private var digest = Digest()
    private var count: Int64 = 0
    private var isOver = false

    init(_ upload: S3Upload, partBytes: Int) {
        self.upload = upload
        self.partBytes = partBytes
    }

    /// The next part; nil behind the last.
    ///
    /// The last one comes only when length and SHA-256 of all are what was announced, so that wrong
    /// bytes never become an object.
    ///
    /// - Throws: `ObjectStoreError` with code `digest`; what the body's own closure throws.
    func next() async throws -> [[UInt8]]? {
        // In the pieces that they came in, unless they are small: a part is not copied into one.
        var part: [[UInt8]] = []
        var room = partBytes
        while room > 0 {
            guard let piece = try await nextPiece() else { break }
            if piece.count > room {
                part.append(Array(piece[..<room]))
                rest = Array(piece[room...])
                room = 0
            } else if let last = part.indices.last, part[last].count + piece.count <= 256 << 10 {
                part[last] += piece
                room -= piece.count
            } else {
                part.append(piece)
                room -= piece.count
            }
        }
        // The end is only known behind the last byte.
        while count == upload.body.bytes, !isOver { _ = try await taken() }
        return part.isEmpty ? nil : part
    }

    /// What the part before left over, or the next piece.
    private func nextPiece() async throws -> [UInt8]? {
        guard rest.isEmpty else {
            defer { rest = [] }
            return rest
        }
        return isOver ? nil : try await taken()
    }

    /// The next piece, counted and hashed; nil at the end, where all is checked.
    private func taken() async throws -> [UInt8]? {
        guard let piece = try await piece() else {
            isOver = true
            try PayloadDigest(bytes: count, sha256: digest.finish(), md5: nil)
                .check(upload.name, upload.body)
            return nil
        }
        count += Int64(piece.count)
        guard count <= upload.body.bytes else { throw upload.lengthError("at least \(count)") }
        digest.update(piece)
        return piece
    }

    private func piece() async throws -> [UInt8]? {
        switch upload.body.source {
        case .bytes(let bytes):
            guard position < bytes.count else { return nil }
            let piece = Array(bytes[position..<min(position + 1 << 20, bytes.count)])
            position += piece.count
            return piece
        case .pieces(let pieces):
            guard position < pieces.count else { return nil }
            position += 1
            return pieces[position - 1]
        case .stream(let next):
            return try await next()
        case .file(let path):
            let files = upload.bucket.files
            let open: SourceFile
            if let file {
                open = file
            } else {
                open = try await files.run { try SourceFile(path: path) }
                file = open
            }
            let piece = try await files.run { try open.next() }
            return piece.isEmpty ? nil : piece
        }
    }
}
