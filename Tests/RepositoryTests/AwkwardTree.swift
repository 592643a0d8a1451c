import Glibc
import Platform

/// A directory with everything that backups get wrong, made anew for a test, as root.
struct AwkwardTree {
    let path: String
    /// What restic 0.14 does not keep: a target that is not UTF-8, and the attributes of a symlink,
    /// which it neither backs up nor restores without following the link.
    static let beyondRestic = ["links/raw-target", "attributes/link", "attributes/linked"]

    /// - Parameter isDeep: whether it holds a path of more than 4,096 bytes.
    init(at path: String, isDeep: Bool = true) async throws {
        self.path = path
        let result = try await ChildProcess.run(
            "python3", ["-c", Self.script, path, isDeep ? "deep" : "flat"],
            deadline: .seconds(120))
        guard result.isSuccess else { throw CommandFailed("build a tree", result) }
    }

    private static let script = #"""
        import os, random, subprocess, sys
        root = sys.argv[1].encode()
        os.makedirs(root)
        os.chdir(root)
        rng = random.Random(42)

        def write(name, content=b"", mode=0o644):
            fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(fd, "wb") as file:
                file.write(content)
            os.chmod(name, mode)

        for d in (b"empty", b"a", b"a/b", b"a/b/c", b"a-b", b"links", b"names", b"special",
                  b"attributes", b"big", b"sticky", b"shared"):
            os.mkdir(d)
        os.chmod(b"sticky", 0o1777)
        os.chmod(b"shared", 0o2775)
        os.chmod(b"a/b", 0o700)
        write(b"empty-file")
        write(b"a/no-permissions", b"secret", 0)
        write(b"a/b/c/text", b"hello\n" * 100)
        write(b"setuid", b"#!/bin/sh\n", 0o4755)
        os.chown(b"a/b/c/text", 1234, 5678)

        # Two groups of hard links with equal content, which must stay apart.
        for group in (b"x", b"y"):
            write(b"links/" + group + b"1", b"the same content")
            os.link(b"links/" + group + b"1", b"a/b/" + group + b"2")
            os.link(b"links/" + group + b"1", b"a-b/" + group + b"3")
        write(b"links/empty1")
        os.link(b"links/empty1", b"links/empty2")
        os.symlink(b"nowhere/at/all", b"links/dangling")
        os.symlink(b"/etc/passwd", b"links/absolute")
        os.symlink(b"../a", b"links/directory")
        os.symlink(b"raw \xff\xfe target", b"links/raw-target")
        os.symlink(b"escape <&> \xe2\x80\xa8", b"links/json")

        for name in (b"new\nline", b'quote"', b"back\\slash", b"tab\t", b"\x01\x7f", b"\xff\xfe",
                     b"caf\xc3\xa9", b"\xe2\x80\x8bzero-width", b"<&>", b" space ", b"-rf", b"...",
                     b"\xf0\x9f\x98\x80", b"\xc3(", b"~", b"%s", b"n" * 255, b"\xed\xa0\x80"):
            write(b"names/" + name, name)

        os.mkfifo(b"special/fifo", 0o640)
        os.mknod(b"special/null", 0o666 | 0o020000, os.makedev(1, 3))
        os.mknod(b"special/loop", 0o600 | 0o060000, os.makedev(7, 200))

        write(b"attributes/file", b"content")
        os.setxattr(b"attributes/file", b"user.text", b"value")
        os.setxattr(b"attributes/file", b"user.binary", bytes(range(256)))
        os.setxattr(b"attributes/file", b"user.empty", b"")
        os.setxattr(b"attributes/file", b"trusted.note", b"for root only")
        os.setxattr(b"attributes", b"user.directory", b"yes")
        write(b"attributes/linked", b"linked")
        os.symlink(b"linked", b"attributes/link")
        os.setxattr(b"attributes/link", b"trusted.link", b"of the link", follow_symlinks=False)
        write(b"attributes/acl", b"acl")
        os.mkdir(b"attributes/acl-directory")
        subprocess.run(["setfacl", "-m", "u:1234:rw,g:99:r", "attributes/acl"], check=True)
        subprocess.run(["setfacl", "-d", "-m", "u:1234:rwx", "attributes/acl-directory"], check=True)
        write(b"attributes/acl-directory/heir", b"heir")
        write(b"attributes/capable", b"#!/bin/sh\n", 0o755)
        subprocess.run(["setcap", "cap_net_bind_service=ep", "attributes/capable"], check=True)

        write(b"big/random", rng.randbytes(5 << 20))
        write(b"big/medium", rng.randbytes(2 << 20))
        write(b"big/edge", rng.randbytes(512 << 10))
        write(b"big/zeros", bytes(3 << 20))
        with open(b"big/sparse", "wb") as file:
            file.write(b"begin")
            file.seek(20 << 20)
            file.write(b"middle")
            file.truncate(30 << 20)
        with open(b"big/hole", "wb") as file:
            file.truncate(9 << 20)
        with open(b"big/mixed", "wb") as file:
            file.write(rng.randbytes(1 << 20))
            file.seek(10 << 20)
            file.write(rng.randbytes(2 << 20))

        if sys.argv[2] == "deep":
            fd = os.open(b".", os.O_RDONLY)
            for level in range(25):
                name = b"deep" if level == 0 else b"%03d" % level + b"d" * 200
                os.mkdir(name, dir_fd=fd)
                below = os.open(name, os.O_RDONLY, dir_fd=fd)
                os.close(fd)
                fd = below
            file = os.open(b"bottom", os.O_WRONLY | os.O_CREAT, dir_fd=fd)
            os.write(file, b"at the bottom")
            os.close(file)
            os.link(b"bottom", b"bottom-link", src_dir_fd=fd, dst_dir_fd=fd)

        os.utime(b"a/b/c/text", ns=(1, 1_600_000_000_123_456_789))
        os.utime(b"empty-file", ns=(1, -86_400_000_000_000 * 3650 + 7))
        os.utime(b"links/dangling", ns=(1, 1_000_000_000_000_000_001), follow_symlinks=False)
        os.utime(b"attributes/acl-directory", ns=(1, 1_234_567_890_000_000_000))
        os.chown(b".", 1000, 1001)
        os.chmod(b".", 0o750)
        os.setxattr(b".", b"user.volume", b"root")
        os.utime(b".", ns=(1, 1_500_000_000_500_000_000))
        """#
}

/// A command that a test needs did not succeed.
struct CommandFailed: Error, CustomStringConvertible {
    let description: String

    init(_ what: String, _ result: ChildResult) {
        description = "\(what): \(result.exit) \(result.text) \(result.errorText)"
    }
}

/// Makes a directory; one that is there is no error.
func makeDirectory(_ path: String, mode: UInt32 = 0o700) throws {
    try systemCall("mkdir \(path)") {
        let answer = unsafe mkdir(path, mode)
        return answer != 0 && errno == EEXIST ? 0 : answer
    }
}
