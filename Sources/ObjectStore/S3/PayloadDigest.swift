/// What a PUT says of its body before the first byte: length, SHA-256 and MD5.
struct PayloadDigest: Sendable {
    let bytes: Int64
    let sha256: [UInt8]
    /// Nil for a stream, whose bytes come only once.
    let md5: [UInt8]?

    /// Of bytes in memory.
    init(of bytes: [UInt8]) {
        self.init(of: [bytes])
    }

    /// Of pieces in memory that follow one another.
    init(of pieces: [[UInt8]]) {
        var digest = Digest()
        var sum = MD5()
        for piece in pieces {
            digest.update(piece)
            sum.update(piece)
        }
        self.init(
            bytes: pieces.reduce(0) { $0 + Int64($1.count) }, sha256: digest.finish(),
            md5: sum.finish())
    }

    /// Of a file that is read once to its end; blocks.
    init(of file: SourceFile) throws {
        var bytes: Int64 = 0
        var digest = Digest()
        var sum = MD5()
        while case let piece = try file.next(), !piece.isEmpty {
            bytes += Int64(piece.count)
            digest.update(piece)
            sum.update(piece)
        }
        self.init(bytes: bytes, sha256: digest.finish(), md5: sum.finish())
    }

    init(bytes: Int64, sha256: [UInt8], md5: [UInt8]?) {
        self.bytes = bytes
        self.sha256 = sha256
        self.md5 = md5
    }

    /// - Throws: `ObjectStoreError` with code `digest` unless this is what was announced.
    func check(_ name: ObjectName, _ body: ObjectBody) throws {
        guard bytes == body.bytes else {
            throw ObjectStoreError(
                code: .digest,
                message: "\(name): \(bytes) bytes are there, \(body.bytes) were announced")
        }
        guard let expected = body.sha256, expected != sha256 else { return }
        throw ObjectStoreError(
            code: .digest, message: "\(name): what is there has another SHA-256")
    }
}
