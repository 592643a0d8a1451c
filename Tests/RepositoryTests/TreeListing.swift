import Platform

/// What an independent program (Python's `os` module) sees below a directory: every entry with its
/// metadata, attributes and the SHA-256 of its content, one line each.
struct TreeListing: Equatable, CustomStringConvertible {
    let lines: [String]

    /// - Parameters:
    ///   - path: the directory; the line of the directory itself comes first.
    ///   - leavingOut: paths that are not listed.
    init(of path: String, leavingOut: [String] = []) async throws {
        let result = try await ChildProcess.run(
            "python3", ["-c", Self.script, path], outputLimitBytes: 64 << 20,
            deadline: .seconds(300))
        guard result.isSuccess else { throw CommandFailed("list \(path)", result) }
        lines = result.text.split(separator: "\n").map(String.init).filter { line in
            !leavingOut.contains { line.contains("path '\($0)' ") }
        }
    }

    /// What is different, for a message.
    func difference(to other: TreeListing) -> [String] {
        let (mine, theirs) = (Set(lines), Set(other.lines))
        return lines.filter { !theirs.contains($0) }.map { "- \($0)" }
            + other.lines.filter { !mine.contains($0) }.map { "+ \($0)" }
    }

    var description: String { lines.joined(separator: "\n") }

    private static let script = #"""
        import hashlib, os, stat, sys
        groups, entries = {}, []

        def show(raw):
            return "'" + "".join(chr(b) if 32 < b < 127 and b not in b"'%" else "%%%02x" % b
                                 for b in raw) + "'"

        def visit(fd, name, path):
            status = os.lstat(name, dir_fd=fd)
            mode = status.st_mode
            place = b"/proc/self/fd/%d/%s" % (fd, name)
            attributes = sorted((n, os.getxattr(place, n, follow_symlinks=False))
                                for n in os.listxattr(place, follow_symlinks=False))
            line = "mode %o uid %d gid %d mtime %d" % (
                mode, status.st_uid, status.st_gid, status.st_mtime_ns)
            for n, value in attributes:
                line += " attribute %s=%s" % (n, value.hex())
            if stat.S_ISREG(mode):
                file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=fd)
                digest = hashlib.sha256()
                with os.fdopen(file, "rb") as stream:
                    while piece := stream.read(1 << 20):
                        digest.update(piece)
                line += " size %d sha256 %s" % (status.st_size, digest.hexdigest())
            if stat.S_ISLNK(mode):
                line += " target " + show(os.readlink(name, dir_fd=fd))
            if stat.S_ISBLK(mode) or stat.S_ISCHR(mode):
                line += " device %d" % status.st_rdev
            key = None
            if not stat.S_ISDIR(mode) and status.st_nlink > 1:
                key = status.st_dev, status.st_ino
                groups[key] = min(groups.get(key, path), path)
            entries.append((path, line, key))
            if stat.S_ISDIR(mode):
                below = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=fd)
                for child in sorted(os.fsencode(n) for n in os.listdir(below)):
                    visit(below, child, path + b"/" + child if path else child)
                os.close(below)

        top = os.open(sys.argv[1].encode(), os.O_RDONLY | os.O_DIRECTORY)
        sys.setrecursionlimit(10000)
        visit(top, b".", b"")
        for path, line, key in entries:
            if key:
                line += " group " + show(groups[key])
            print("path", show(path), line)
        """#
}
