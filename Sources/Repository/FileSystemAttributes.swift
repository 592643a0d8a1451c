import CPlatform
import Glibc
import Platform

/// Reads extended attributes through any of the call families (listxattr(2), getxattr(2)).
enum FileSystemAttributes {
    /// The kernel's limits of the list of names and of one value (`XATTR_LIST_MAX`,
    /// `XATTR_SIZE_MAX`).
    private static let limitBytes = 65_536
    private static let firstTryBytes = 512

    /// All attributes of what is open.
    static func read(of number: Int32) throws -> [Node.ExtendedAttribute] {
        try unsafe read(
            list: { buffer, size in unsafe berth_flistxattr(number, buffer, UInt(size)) },
            get: { attribute, buffer, size in
                unsafe berth_fgetxattr(number, attribute, buffer, UInt(size))
            })
    }

    /// All attributes, ascending by raw name; none where the file system knows no attributes.
    ///
    /// - Parameters:
    ///   - list: like flistxattr(2) without the descriptor.
    ///   - get: like fgetxattr(2) without the descriptor.
    /// - Throws: `PlatformError`; an attribute that vanishes between list and get is left out.
    static func read(
        list: (UnsafeMutablePointer<CChar>?, Int) -> Int,
        get: (UnsafePointer<CChar>, UnsafeMutableRawPointer?, Int) -> Int
    ) throws -> [Node.ExtendedAttribute] {
        guard
            let names = try unsafe grow(
                "listxattr", absent: ENOTSUP,
                { unsafe list($0?.assumingMemoryBound(to: CChar.self), $1) }),
            !names.isEmpty
        else { return [] }
        var attributes: [Node.ExtendedAttribute] = []
        for name in names.split(separator: 0).map([UInt8].init) {
            let value = try unsafe CName.with(name) { text in
                try unsafe grow(
                    "getxattr \(String(decoding: name, as: UTF8.self))", absent: ENODATA,
                    { unsafe get(text, $0, $1) })
            }
            if let value { attributes.append(Node.ExtendedAttribute(name: name, value: value)) }
        }
        return attributes.sorted { $0.name.lexicographicallyPrecedes($1.name) }
    }

    /// Calls with a small buffer, then with the largest; nil where `errno` is `absent`.
    private static func grow(
        _ what: @autoclosure () -> String, absent: Int32,
        _ call: (UnsafeMutableRawPointer?, Int) -> Int
    ) throws -> [UInt8]? {
        for capacity in [firstTryBytes, limitBytes] {
            var reason: Int32 = 0
            let bytes = unsafe [UInt8](unsafeUninitializedCapacity: capacity) { buffer, count in
                let answer = unsafe call(UnsafeMutableRawPointer(buffer.baseAddress), capacity)
                if answer < 0 { reason = errno }
                count = max(answer, 0)
            }
            if reason == 0 { return bytes }
            if reason == absent { return nil }
            guard reason == ERANGE, capacity < limitBytes else {
                throw PlatformError(code: .systemCall, message: what(), errno: reason)
            }
        }
        return nil
    }
}
