#!/usr/bin/env python3
"""Makes a tree for the demo and the benchmarks: real files of this machine, and the awkward ones.

usage: make-corpus.py DIRECTORY [--files N] [--big-mib M] [--awkward-only]

Real files come from Debian's own directories, the project's test tools and the toolchain, in a
fixed order, until there are N of them (default 22,000). Everything that a file system allows and that backup tools get wrong is added
under `awkward/`. Needs root, for ownership, capabilities and device-like things.
"""
import argparse
import os
import shutil
import stat
import subprocess
import sys

TOOLS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../var/venv")
SOURCES = ["/usr/share", "/usr/include", "/usr/lib/python3", "/usr/lib/git-core",
           os.path.normpath(TOOLS), "/var/lib/dpkg", "/usr/sbin", "/usr/bin",
           "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib", "/etc", "/opt"]


def real_files(target, wanted, byte_limit):
    """Copies up to `wanted` small files with their metadata; returns how many there are."""
    count = size = 0
    for source in SOURCES:
        for directory, names, files in os.walk(source):
            names.sort()
            place = os.path.join(target, "real", directory.lstrip("/"))
            made = False
            for name in sorted(files):
                path = os.path.join(directory, name)
                try:
                    status = os.lstat(path)
                except OSError:
                    continue
                if not (stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode)):
                    continue
                if status.st_size > 4 << 20 or size + status.st_size > byte_limit:
                    continue
                if not made:
                    os.makedirs(place, exist_ok=True)
                    made = True
                goal = os.path.join(place, name)
                if os.path.lexists(goal):
                    continue
                try:
                    shutil.copy2(path, goal, follow_symlinks=False)
                except OSError:
                    continue
                count += 1
                size += status.st_size
                if count >= wanted:
                    return count, size
    return count, size


def run(*command):
    subprocess.run(command, check=True)


def write(path, data, mode=0o644):
    with open(path, "wb") as file:
        file.write(data)
    os.chmod(path, mode)


def awkward(target, big_mib):
    """Everything that is easy to lose."""
    base = os.path.join(os.fsencode(target), b"awkward")
    os.makedirs(base, exist_ok=True)

    def at(name):
        return os.path.join(base, name)

    # hard links: several groups with equal content, one of them across directories
    os.makedirs(at(b"links/deep"), exist_ok=True)
    for group in (b"a", b"b", b"c"):
        write(at(b"links/" + group + b"1"), b"the same content in every group\n")
        os.link(at(b"links/" + group + b"1"), at(b"links/" + group + b"2"))
        os.link(at(b"links/" + group + b"1"), at(b"links/deep/" + group + b"3"))
    # symbolic links
    os.symlink(b"nowhere/at/all", at(b"dangling"))
    os.symlink(b"/etc/hostname", at(b"absolute"))
    os.symlink(b"\xff\xfe-not-utf-8", at(b"strange-target"))
    os.symlink(b".", at(b"loop"))
    # sparse: data, a hole, data, a hole at the end
    with open(at(b"sparse"), "wb") as file:
        file.write(b"start" * 1000)
        file.seek(40 << 20)
        file.write(b"middle" * 1000)
        file.truncate(96 << 20)
    # extended attributes, ACL, capability, setuid, setgid, sticky
    write(at(b"attributes"), b"x")
    os.setxattr(at(b"attributes"), b"user.text", b"value")
    os.setxattr(at(b"attributes"), b"user.binary", bytes(range(256)))
    os.setxattr(at(b"attributes"), b"user.empty", b"")
    os.setxattr(at(b"attributes"), b"trusted.berth", b"only root sees this")
    write(at(b"acl"), b"x")
    run("setfacl", "-m", "u:1234:rw,g:4321:r", os.fsdecode(at(b"acl")))
    os.makedirs(at(b"acl-directory"), exist_ok=True)
    run("setfacl", "-d", "-m", "u:1234:rwx", os.fsdecode(at(b"acl-directory")))
    write(at(b"capable"), b"#!/bin/true\n", 0o755)
    run("setcap", "cap_net_bind_service+ep", os.fsdecode(at(b"capable")))
    write(at(b"setuid"), b"#!/bin/true\n", 0o4755)
    write(at(b"setgid"), b"#!/bin/true\n", 0o2755)
    os.makedirs(at(b"sticky"), exist_ok=True)
    os.chmod(at(b"sticky"), 0o1777)
    write(at(b"owned"), b"somebody else's")
    os.chown(at(b"owned"), 12345, 54321)
    # special files
    os.mkfifo(at(b"fifo"), 0o640)
    os.mknod(at(b"character-device"), 0o600 | stat.S_IFCHR, os.makedev(1, 3))
    os.mknod(at(b"block-device"), 0o600 | stat.S_IFBLK, os.makedev(7, 200))
    # empty things
    os.makedirs(at(b"empty-directory"), exist_ok=True)
    write(at(b"empty-file"), b"")
    write(at(b"unreadable"), b"mode 0\n", 0o000)
    # names
    for name in (b"new\nline", b"tab\there", b'"double" and \'single\'', b"back\\slash", b" spaces ",
                 b"-dash", b"*star?", b"invalid-\xff\xfe-utf-8", b"\xc3\xbcml\xc3\xa4ut", b"\xf0\x9f\x9a\xa2",
                 b"zero\xe2\x80\x8bwidth", b"<html>&amp;", b"line\xe2\x80\xa8separator", b"x" * 255,
                 b"\x01\x02\x7f"):
        write(at(name), b"name: " + name)
    deep = base
    for _ in range(40):
        deep = os.path.join(deep, b"deep-directory")
        os.makedirs(deep, exist_ok=True)
    write(os.path.join(deep, b"bottom"), b"far down\n")
    # times
    write(at(b"before-1970"), b"old")
    os.utime(at(b"before-1970"), ns=(-86_400_000_000_001, -86_400_000_000_001))
    write(at(b"nanoseconds"), b"exact")
    os.utime(at(b"nanoseconds"), ns=(1_600_000_000_123_456_789, 1_600_000_000_123_456_789))
    os.utime(at(b"dangling"), ns=(1_500_000_000_000_000_001,) * 2, follow_symlinks=False)
    # a big file that does not repeat and does not compress
    if big_mib:
        with open(at(b"big"), "wb") as file:
            state = b"berth"
            import hashlib
            for index in range(big_mib):
                file.write(hashlib.shake_256(state + index.to_bytes(8, "big")).digest(1 << 20))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory")
    parser.add_argument("--files", type=int, default=22_000)
    parser.add_argument("--big-mib", type=int, default=300)
    parser.add_argument("--awkward-only", action="store_true")
    arguments = parser.parse_args()
    os.makedirs(arguments.directory)
    count = size = 0
    if not arguments.awkward_only:
        count, size = real_files(arguments.directory, arguments.files, 400 << 20)
        if count < min(arguments.files, 20_000):
            sys.exit(f"only {count} files were found on this machine")
    awkward(arguments.directory, arguments.big_mib)
    print(f"{count} real files, {size >> 20} MiB, and the awkward ones")


main()
