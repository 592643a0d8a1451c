import Glibc
import Platform

/// An object of a directory, open for reading; all calls block.
final class StoredObject: Sendable {
    let bytes: Int64
    private let name: ObjectName
    private let file: Descriptor

    /// - Throws: `ObjectStoreError` with code `notFound`, and others.
    init(_ name: ObjectName, in tree: DirectoryTree) throws {
        guard let file = try tree.open(name.text, flags: O_RDONLY) else {
            throw ObjectStoreError(code: .notFound, message: "\(name) is not in \(tree.root)")
        }
        let attributes = try DirectoryTree.attributes(of: file)
        guard attributes.st_mode & S_IFMT == S_IFREG else {
            throw ObjectStoreError(code: .notFound, message: "\(name) is not an object")
        }
        bytes = Int64(attributes.st_size)
        self.name = name
        self.file = file
    }

    /// The range itself, or that of the whole object.
    func checked(_ range: Range<Int64>?) throws -> Range<Int64> {
        guard let range else { return 0..<bytes }
        guard range.lowerBound >= 0, range.upperBound <= bytes else {
            throw ObjectStoreError(
                code: .outOfRange,
                message: "\(name) has \(bytes) bytes; \(range.lowerBound) to "
                    + "\(range.upperBound) were asked for")
        }
        return range
    }

    /// Exactly `count` bytes from an offset (pread(2)).
    func read(at offset: Int64, count: Int) throws -> [UInt8] {
        do {
            return try file.withNumber { try read($0, at: offset, count: count) }
        } catch let error as PlatformError {
            throw DirectoryTree.translate(error, name.text)
        }
    }

    private func read(_ number: Int32, at offset: Int64, count: Int) throws -> [UInt8] {
        try unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, done in
            while done < count {
                let position = Int(offset) + done
                let got = try systemCall("read \(name)") {
                    unsafe pread(
                        number, buffer.baseAddress.map { unsafe $0 + done }, count - done,
                        position)
                }
                guard got > 0 else {
                    throw ObjectStoreError(
                        code: .outOfRange, message: "\(name) became shorter")
                }
                done += got
            }
        }
    }
}
