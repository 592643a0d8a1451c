import CPlatform
import Glibc

/// A lock that one process at a time holds, by flock(2) on a file; the kernel lets it go when the
/// process ends, however it ends.
public struct FileLock: ~Copyable, Sendable {
    private let file: Descriptor

    /// Takes the lock without waiting, and writes this process's id into the file.
    ///
    /// - Parameters:
    ///   - path: the lock file; made when missing, never removed.
    ///   - purpose: what the lock protects, for the message to whom comes second.
    /// - Throws: `PlatformError`: `locked`, naming the file, its holder and the way out; or
    ///   the error number.
    public init(path: String, purpose: String) throws {
        let file = try Descriptor(
            opening: path, flags: O_RDWR | O_CREAT | O_NOFOLLOW, mode: 0o600)
        do {
            try file.withNumber { number in
                try systemCall("lock \(path)") { berth_flock_exclusive(number) }
            }
        } catch let error as PlatformError where error.errno == EWOULDBLOCK {
            // The holder's id is a courtesy: an unreadable file does not change the answer.
            let holder = (try? DurableFile.read(path, limitBytes: 64)) ?? []
            let text = String(decoding: holder, as: UTF8.self).filter(\.isNumber)
            let name = text.isEmpty ? "another process" : "process \(text)"
            throw PlatformError(
                code: .locked,
                message: "\(purpose): \(name) holds \(path); stop it, or use another directory")
        }
        let line = Array("\(getpid())\n".utf8)
        try file.withNumber { number in
            try systemCall("write \(path)") { ftruncate(number, 0) }
            try systemCall("write \(path)") { unsafe Glibc.write(number, line, line.count) }
        }
        self.file = file
    }

    /// Unlocks rather than only closes: a child of this process that has not reached its exec yet
    /// shares the open file, and with it the lock, for some milliseconds longer (flock(2)).
    deinit {
        file.withNumber { number in _ = berth_flock_unlock(number) }
    }
}
