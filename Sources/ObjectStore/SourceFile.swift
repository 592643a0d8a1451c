import Glibc
import Platform

/// A file that is read once from its beginning; all calls block.
final class SourceFile: Sendable {
    private let file: Descriptor
    private let path: String

    init(path: String) throws {
        self.path = path
        do {
            file = try Descriptor(opening: path, flags: O_RDONLY)
        } catch let error as PlatformError {
            throw Self.failure(error)
        }
    }

    /// The next piece of at most 1 MiB; empty at the end.
    func next() throws -> [UInt8] {
        do {
            return try file.withNumber { number in
                try unsafe [UInt8](unsafeUninitializedCapacity: 1 << 20) { buffer, count in
                    count = try systemCall("read \(path)") {
                        unsafe read(number, buffer.baseAddress, buffer.count)
                    }
                }
            }
        } catch let error as PlatformError {
            throw Self.failure(error)
        }
    }

    private static func failure(_ error: PlatformError) -> ObjectStoreError {
        ObjectStoreError(code: .failed, message: "cannot read what is to be stored", cause: error)
    }
}
