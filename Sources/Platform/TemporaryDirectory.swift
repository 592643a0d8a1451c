import Glibc

/// A fresh directory that only this process uses; it goes away with its owner, or by `remove()`.
public final class TemporaryDirectory: Sendable {
    /// Its absolute path.
    public let path: String

    /// Makes it (mode 0700) in `TMPDIR`, or in `/tmp`.
    ///
    /// - Parameter prefix: how its name begins.
    /// - Throws: `PlatformError` with the error number.
    public init(prefix: String = "berth") throws {
        let place = unsafe getenv("TMPDIR").map { unsafe String(cString: $0) } ?? ""
        let root = place.hasPrefix("/") ? place : "/tmp"
        let path = root + "/" + prefix + "-" + Random.hex(bytes: 8)
        try systemCall("make the directory \(path)") { unsafe mkdir(path, 0o700) }
        self.path = path
    }

    deinit {
        // Nobody is left to tell; what remains is a directory in the temporary place.
        try? removeTree(at: path)
    }

    /// Removes it with everything in it, without following links or entering mount points.
    ///
    /// - Throws: `PlatformError` naming what cannot be removed.
    public func remove() throws {
        try removeTree(at: path)
    }
}
